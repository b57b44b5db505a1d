/* Rotary positions, in place: in each of `rows` rows, the first heads of 2 * half channels are turned pair by pair,
 * channel c with channel c + half, by the angle whose cosine and sine stand in row i of (rows, half) tables. */
#include <stdint.h>

#include "real.h"

void NAME(rotary)(REAL *x, int64_t stride, const REAL *cosines, const REAL *sines, int64_t rows, int64_t heads,
                  int64_t half, double direction) {
  const REAL sign = direction;
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < rows; i++) {
    const REAL *cosine = cosines + i * half, *sine = sines + i * half;
    for (int64_t h = 0; h < heads; h++) {
      REAL *restrict first = x + i * stride + 2 * h * half, *restrict second = first + half;
#pragma omp simd
      for (int64_t c = 0; c < half; c++) {
        const REAL a = first[c], b = second[c], s = sign * sine[c];
        first[c] = a * cosine[c] - b * s;
        second[c] = b * cosine[c] + a * s;
      }
    }
  }
}
