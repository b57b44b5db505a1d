/* Every kernel is compiled twice, with REAL defined as float and as double; NAME(f) is f_float or f_double. */
#ifndef REAL_H
#define REAL_H

#ifndef REAL
#define REAL float
#endif
#define NAME2(name, real) name##_##real
#define NAME1(name, real) NAME2(name, real)
#define NAME(name) NAME1(name, REAL)
#define EXP NAME(exp)

#endif
