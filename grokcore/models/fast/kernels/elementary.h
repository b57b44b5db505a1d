/* Functions that compilers turn into vector code: one exp of float takes longer than all else in an activation. */
#ifndef ELEMENTARY_H
#define ELEMENTARY_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* e^x to about 1 ulp for |x| < 87; beyond, the value at 87 or -87. NaN stays NaN. Range reduction and polynomial as in
 * S. Moshier's Cephes library. */
static inline float exp_float(float x) {
  x = x < -87.0f ? -87.0f : x;
  x = x > 87.0f ? 87.0f : x;
  const float n = rintf(x * 1.44269504088896341f);
  const float r = fmaf(n, 2.12194440e-4f, fmaf(n, -0.693359375f, x));
  float p = 1.9875691500e-4f;
  p = fmaf(p, r, 1.3981999507e-3f);
  p = fmaf(p, r, 8.3334519073e-3f);
  p = fmaf(p, r, 4.1665795894e-2f);
  p = fmaf(p, r, 1.6666665459e-1f);
  p = fmaf(p, r, 5.0000001201e-1f);
  p = fmaf(p, r * r, r) + 1.0f;
  const int32_t power = ((int32_t)n + 127) << 23;
  float two_to_n;
  memcpy(&two_to_n, &power, sizeof power);
  return p * two_to_n;
}

static inline double exp_double(double x) { return exp(x); }

#endif
