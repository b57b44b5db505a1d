/* RWKV's token shift: each token mixed with the one before it, for up to three projections in one pass.
 *
 * Row i sees the rows visible[i * seen ..] in their order, itself last; a negative number is none. Of those, x_i is the
 * own one and b_i the one before it, 0 where there is none:
 *   out_m,i = mix_m x_i + (1 - mix_m) b_i
 */
#include <omp.h>
#include <stdint.h>

#include "real.h"

enum { CHANNELS = 16 }; /* a thread owns a multiple of them: no less than a cache line */
#define INLINE static inline __attribute__((always_inline))

INLINE void NAME(own_and_before)(const int32_t *rows, int64_t seen, int64_t *own, int64_t *before) {
  int64_t slot = seen - 1;
  while (rows[slot] < 0) slot--;
  *own = rows[slot], *before = slot > 0 ? rows[slot - 1] : -1;
}

INLINE void NAME(mixed)(const REAL *restrict mix, const REAL *restrict own, const REAL *restrict before,
                        REAL *restrict out, int64_t size) {
#pragma omp simd
  for (int64_t c = 0; c < size; c++) out[c] = before[c] + mix[c] * (own[c] - before[c]);
}

INLINE void NAME(scaled)(const REAL *restrict mix, const REAL *restrict own, REAL *restrict out, int64_t size) {
#pragma omp simd
  for (int64_t c = 0; c < size; c++) out[c] = mix[c] * own[c];
}

/* x: rows of `width` channels; mix: (mixes, width); out_m: `tokens` rows, NULL for m >= mixes. */
void NAME(token_shift_forward)(const REAL *x, const REAL *mix, int64_t mixes, const int32_t *visible, int64_t tokens,
                               int64_t seen, int64_t width, REAL *out_0, REAL *out_1, REAL *out_2) {
  REAL *const outs[] = {out_0, out_1, out_2};
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < tokens; i++) {
    int64_t own, before;
    NAME(own_and_before)(visible + i * seen, seen, &own, &before);
    for (int64_t m = 0; m < mixes; m++) {
      if (before < 0)
        NAME(scaled)(mix + m * width, x + own * width, outs[m] + i * width, width);
      else
        NAME(mixed)(mix + m * width, x + own * width, x + before * width, outs[m] + i * width, width);
    }
  }
}

INLINE void NAME(mixed_backward)(const REAL *restrict mix, const REAL *restrict own, const REAL *restrict before,
                                 const REAL *restrict gradient, REAL *restrict grad_mix, REAL *restrict grad_own,
                                 REAL *restrict grad_before, int64_t size) {
#pragma omp simd
  for (int64_t c = 0; c < size; c++) {
    const REAL part = gradient[c] * mix[c];
    grad_mix[c] += gradient[c] * (own[c] - before[c]);
    grad_own[c] += part;
    grad_before[c] += gradient[c] - part;
  }
}

INLINE void NAME(scaled_backward)(const REAL *restrict mix, const REAL *restrict own, const REAL *restrict gradient,
                                  REAL *restrict grad_mix, REAL *restrict grad_own, int64_t size) {
#pragma omp simd
  for (int64_t c = 0; c < size; c++) {
    grad_mix[c] += gradient[c] * own[c];
    grad_own[c] += gradient[c] * mix[c];
  }
}

/* The gradients of x and mix must be zero on entry. A thread has channels of its own, so that no two add to the same
 * numbers and the order of the sums is fixed. */
void NAME(token_shift_backward)(const REAL *x, const REAL *mix, int64_t mixes, const int32_t *visible, int64_t tokens,
                                int64_t seen, int64_t width, const REAL *grad_out_0, const REAL *grad_out_1,
                                const REAL *grad_out_2, REAL *grad_x, REAL *grad_mix) {
  const REAL *const grad_outs[] = {grad_out_0, grad_out_1, grad_out_2};
#pragma omp parallel
  {
    const int64_t blocks = (width + CHANNELS - 1) / CHANNELS;
    const int64_t threads = omp_get_num_threads(), thread = omp_get_thread_num();
    const int64_t at = blocks * thread / threads * CHANNELS, end = blocks * (thread + 1) / threads * CHANNELS;
    const int64_t size = (end < width ? end : width) - at;
    for (int64_t i = 0; i < tokens && size > 0; i++) {
      int64_t own, before;
      NAME(own_and_before)(visible + i * seen, seen, &own, &before);
      own = own * width + at, before = before < 0 ? -1 : before * width + at;
      for (int64_t m = 0; m < mixes; m++) {
        const REAL *gradient = grad_outs[m] + i * width + at, *share = mix + m * width + at;
        REAL *grad_share = grad_mix + m * width + at;
        if (before < 0)
          NAME(scaled_backward)(share, x + own, gradient, grad_share, grad_x + own, size);
        else
          NAME(mixed_backward)(share, x + own, x + before, gradient, grad_share, grad_x + own, grad_x + before, size);
      }
    }
  }
}
