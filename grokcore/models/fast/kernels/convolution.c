/* A causal convolution of each channel with a SiLU on it, over a few visible rows per token: forward and backward.
 *
 * Row i sees the rows visible[i * seen ..] in their order, itself last; a negative number is none. With those before it
 * counted back from itself, and rows that there are not taken as zeros:
 *   v_i = bias + sum_k weight_(taps - 1 - k) x_(i - k),  u_i = v_i sigmoid(v_i)
 */
#include <stdint.h>

#include "elementary.h"
#include "real.h"

enum { CHANNELS = 64 }; /* computed together: what the compiler unrolls, and the numbers of a row that a thread owns */

#define INLINE static inline __attribute__((always_inline))

/* A loop over a number of channels that the compiler knows is one that it unrolls. */
#define FOR_BLOCK(at, width, call) \
  if ((width) - (at) >= CHANNELS) { call(CHANNELS); } else { call((width) - (at)); }

typedef struct {
  const REAL *x, *weight, *bias;
  const int32_t *visible;
  int64_t x_stride, taps, seen, width;
} Convolution;

INLINE int64_t own_slot(const int32_t *rows, int64_t seen) {
  int64_t slot = seen - 1;
  while (rows[slot] < 0) slot--;
  return slot;
}

/* v_i at `size` channels from channel `at` on. */
INLINE void convolve(const Convolution *of, const int32_t *rows, int64_t own, int64_t at, int64_t size, REAL *v) {
  for (int64_t c = 0; c < size; c++) v[c] = of->bias[at + c];
  for (int64_t k = 0; k < of->taps && k <= own && rows[own - k] >= 0; k++) {
    const REAL *x = of->x + rows[own - k] * of->x_stride + at, *weight = of->weight + (of->taps - 1 - k) * of->width + at;
#pragma omp simd
    for (int64_t c = 0; c < size; c++) v[c] += weight[c] * x[c];
  }
}

INLINE void forward(const Convolution *of, const int32_t *rows, int64_t own, int64_t at, int64_t size, REAL *u) {
  REAL v[CHANNELS];
  convolve(of, rows, own, at, size, v);
#pragma omp simd
  for (int64_t c = 0; c < size; c++) u[c] = v[c] / (1 + EXP(-v[c]));
}

/* x: rows with a stride; weight: (taps, width); u: (tokens, width). */
void NAME(convolution_forward)(const REAL *x, int64_t x_stride, const REAL *weight, int64_t taps, const REAL *bias,
                               const int32_t *visible, int64_t tokens, int64_t seen, int64_t width, REAL *u) {
  const Convolution of = {x, weight, bias, visible, x_stride, taps, seen, width};
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < tokens; i++) {
    const int32_t *rows = visible + i * seen;
    const int64_t own = own_slot(rows, seen);
#define FORWARD(size) forward(&of, rows, own, at, size, u + i * width + at)
    for (int64_t at = 0; at < width; at += CHANNELS) FOR_BLOCK(at, width, FORWARD)
  }
}

INLINE void backward(const Convolution *of, int64_t tokens, int64_t at, int64_t size, const REAL *grad_u, REAL *grad_x,
                     REAL *grad_weight, REAL *grad_bias) {
  for (int64_t i = 0; i < tokens; i++) {
    const int32_t *rows = of->visible + i * of->seen;
    const int64_t own = own_slot(rows, of->seen);
    const REAL *gradient = grad_u + i * of->width + at;
    REAL v[CHANNELS];
    convolve(of, rows, own, at, size, v);
#pragma omp simd
    for (int64_t c = 0; c < size; c++) {
      const REAL sigmoid = 1 / (1 + EXP(-v[c]));
      v[c] = gradient[c] * sigmoid * (1 + v[c] * (1 - sigmoid));
      grad_bias[at + c] += v[c];
    }
    for (int64_t k = 0; k < of->taps && k <= own && rows[own - k] >= 0; k++) {
      const int64_t tap = (of->taps - 1 - k) * of->width + at;
      const REAL *x_k = of->x + rows[own - k] * of->x_stride + at, *weight = of->weight + tap;
      REAL *grad_x_k = grad_x + rows[own - k] * of->width + at, *grad_tap = grad_weight + tap;
#pragma omp simd
      for (int64_t c = 0; c < size; c++) {
        grad_x_k[c] += weight[c] * v[c];
        grad_tap[c] += x_k[c] * v[c];
      }
    }
  }
}

/* All gradients must be zero on entry; grad_x: (rows, width). A thread has channels of its own, so that no two add to
 * the same numbers and the order of the sums is fixed. */
void NAME(convolution_backward)(const REAL *x, int64_t x_stride, const REAL *weight, int64_t taps, const REAL *bias,
                                const int32_t *visible, int64_t tokens, int64_t seen, int64_t width,
                                const REAL *grad_u, REAL *grad_x, REAL *grad_weight, REAL *grad_bias) {
  const Convolution of = {x, weight, bias, visible, x_stride, taps, seen, width};
#pragma omp parallel for schedule(static)
  for (int64_t at = 0; at < width; at += CHANNELS) {
#define BACKWARD(size) backward(&of, tokens, at, size, grad_u, grad_x, grad_weight, grad_bias)
    FOR_BLOCK(at, width, BACKWARD)
  }
}
