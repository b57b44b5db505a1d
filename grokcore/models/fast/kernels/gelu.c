/* GELU by its tanh approximation, x * sigmoid(2 u) with u = sqrt(2 / pi) (x + 0.044715 x^3), and its derivative. */
#include <stdint.h>

#include "elementary.h"
#include "real.h"

#define SCALE ((REAL)1.5957691216057308) /* 2 sqrt(2 / pi) */
#define CUBIC ((REAL)0.044715)

void NAME(gelu_forward)(const REAL *x, int64_t count, REAL *y) {
#pragma omp parallel for simd schedule(static)
  for (int64_t i = 0; i < count; i++) {
    const REAL square = x[i] * x[i];
    y[i] = x[i] / (1 + EXP(-SCALE * x[i] * (1 + CUBIC * square)));
  }
}

void NAME(gelu_backward)(const REAL *x, const REAL *grad_y, int64_t count, REAL *grad_x) {
#pragma omp parallel for simd schedule(static)
  for (int64_t i = 0; i < count; i++) {
    const REAL square = x[i] * x[i];
    const REAL sigmoid = 1 / (1 + EXP(-SCALE * x[i] * (1 + CUBIC * square)));
    const REAL slope = SCALE * (1 + 3 * CUBIC * square);
    grad_x[i] = grad_y[i] * sigmoid * (1 + x[i] * slope * (1 - sigmoid));
  }
}
