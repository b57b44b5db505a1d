/* RWKV-4's average of values over a few visible rows per token, gated: forward and backward.
 *
 * Row i sees the rows visible[i * seen ..] in their order, itself last; a negative number is none. In every channel,
 * with slots j of which the own one is t:
 *   out_i = sigmoid(r_i) sum_j p_ij v_j,  p_i = softmax_j(s_ij),  s_ij = k_j - (t - 1 - j) decay,  s_it = k_t + bonus
 */
#include <omp.h>
#include <stdint.h>

#include "elementary.h"
#include "real.h"

enum { CHANNELS = 16 }; /* computed together: what is added up over the slots stays in registers */
#define INLINE static inline __attribute__((always_inline))

INLINE REAL NAME(sigmoid)(REAL x) { return 1 / (1 + EXP(-x)); }

/* The slots that are seen are one run from `begin` to the own one. */
INLINE void NAME(run)(const int32_t *rows, int64_t seen, int64_t *begin, int64_t *own) {
  *begin = 0, *own = seen - 1;
  while (rows[*begin] < 0) ++*begin;
  while (rows[*own] < 0) --*own;
}

INLINE void NAME(score)(const REAL *restrict key, const REAL *restrict decay, REAL age, REAL *restrict scores,
                        REAL *restrict largest, int64_t size) {
#pragma omp simd
  for (int64_t c = 0; c < size; c++) {
    scores[c] = key[c] - age * decay[c];
    largest[c] = scores[c] > largest[c] ? scores[c] : largest[c];
  }
}

INLINE void NAME(weigh)(const REAL *restrict value, const REAL *restrict largest, REAL *restrict weights,
                        REAL *restrict sum, REAL *restrict mean, int64_t size) {
#pragma omp simd
  for (int64_t c = 0; c < size; c++) {
    weights[c] = EXP(weights[c] - largest[c]);
    sum[c] += weights[c];
    mean[c] += weights[c] * value[c];
  }
}

/* For `size` channels from channel `at` of each row: weights[j][c] = p_ij sum[c], mean[c] = sum_j p_ij v_j. */
INLINE void NAME(average)(const int32_t *rows, int64_t begin, int64_t own, const REAL *restrict decay,
                          const REAL *restrict bonus, const REAL *restrict k, const REAL *restrict v, int64_t width,
                          int64_t at, int64_t size, REAL (*restrict weights)[CHANNELS], REAL *restrict sum,
                          REAL *restrict mean) {
  REAL largest[CHANNELS];
  const int64_t here = rows[own] * width + at;
#pragma omp simd
  for (int64_t c = 0; c < size; c++) largest[c] = weights[own][c] = k[here + c] + bonus[at + c];
  for (int64_t j = begin; j < own; j++)
    NAME(score)(k + rows[j] * width + at, decay + at, own - 1 - j, weights[j], largest, size);
#pragma omp simd
  for (int64_t c = 0; c < size; c++) {
    sum[c] = weights[own][c] = EXP(weights[own][c] - largest[c]);
    mean[c] = sum[c] * v[here + c];
  }
  for (int64_t j = begin; j < own; j++)
    NAME(weigh)(v + rows[j] * width + at, largest, weights[j], sum, mean, size);
#pragma omp simd
  for (int64_t c = 0; c < size; c++) mean[c] /= sum[c];
}

INLINE void NAME(forward_of_token)(const int32_t *rows, int64_t begin, int64_t own, const REAL *decay,
                                   const REAL *bonus, const REAL *k, const REAL *v, const REAL *restrict gate,
                                   int64_t width, int64_t at, int64_t size, REAL (*weights)[CHANNELS],
                                   REAL *restrict out) {
  REAL sum[CHANNELS], mean[CHANNELS];
  NAME(average)(rows, begin, own, decay, bonus, k, v, width, at, size, weights, sum, mean);
#pragma omp simd
  for (int64_t c = 0; c < size; c++) out[at + c] = NAME(sigmoid)(gate[at + c]) * mean[c];
}

/* k, v: rows of `width` channels; r, out: `tokens` such rows; decay, bonus: (width,). */
void NAME(wkv_forward)(const REAL *decay, const REAL *bonus, const REAL *k, const REAL *v, const REAL *r,
                       const int32_t *visible, int64_t tokens, int64_t seen, int64_t width, REAL *out) {
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < tokens; i++) {
    const int32_t *rows = visible + i * seen;
    int64_t begin, own;
    NAME(run)(rows, seen, &begin, &own);
    REAL weights[seen][CHANNELS];
    for (int64_t at = 0; at < width; at += CHANNELS) {
#define FORWARD(size) \
  NAME(forward_of_token)(rows, begin, own, decay, bonus, k, v, r + i * width, width, at, size, weights, out + i * width)
      if (width - at >= CHANNELS)
        FORWARD(CHANNELS);
      else
        FORWARD(width - at);
    }
  }
}

INLINE void NAME(spread)(const REAL *restrict value, const REAL *restrict mean, const REAL *restrict grad_mean, REAL age,
                         REAL *restrict weights, REAL *restrict grad_key, REAL *restrict grad_value,
                         REAL *restrict grad_decay, int64_t size) {
#pragma omp simd
  for (int64_t c = 0; c < size; c++) {
    const REAL part = grad_mean[c] * weights[c], grad_score = part * (value[c] - mean[c]);
    grad_value[c] += part;
    grad_key[c] += grad_score;
    grad_decay[c] -= age * grad_score;
  }
}

INLINE void NAME(backward_of_token)(const int32_t *rows, int64_t begin, int64_t own, const REAL *decay,
                                    const REAL *bonus, const REAL *k, const REAL *v, const REAL *restrict gate,
                                    int64_t width, int64_t at, int64_t size, REAL (*weights)[CHANNELS],
                                    const REAL *restrict gradient, REAL *grad_decay, REAL *grad_bonus, REAL *grad_k,
                                    REAL *grad_v, REAL *restrict grad_gate) {
  REAL sum[CHANNELS], mean[CHANNELS], grad_mean[CHANNELS];
  NAME(average)(rows, begin, own, decay, bonus, k, v, width, at, size, weights, sum, mean);
#pragma omp simd
  for (int64_t c = 0; c < size; c++) {
    const REAL open = NAME(sigmoid)(gate[c]), grad = gradient[c] * open;
    grad_gate[c] = grad * (1 - open) * mean[c];
    grad_mean[c] = grad / sum[c];
  }
  for (int64_t j = begin; j < own; j++) {
    const int64_t row = rows[j] * width + at;
    NAME(spread)(v + row, mean, grad_mean, own - 1 - j, weights[j], grad_k + row, grad_v + row, grad_decay + at, size);
  }
  const int64_t row = rows[own] * width + at;
  NAME(spread)(v + row, mean, grad_mean, -1, weights[own], grad_k + row, grad_v + row, grad_bonus + at, size);
}

/* All gradients but that of r must be zero on entry. A thread has channels of its own, so that no two add to the same
 * numbers and the order of the sums is fixed. */
void NAME(wkv_backward)(const REAL *decay, const REAL *bonus, const REAL *k, const REAL *v, const REAL *r,
                        const int32_t *visible, int64_t tokens, int64_t seen, int64_t width, const REAL *grad_out,
                        REAL *grad_decay, REAL *grad_bonus, REAL *grad_k, REAL *grad_v, REAL *grad_r) {
#pragma omp parallel
  {
    const int64_t blocks = (width + CHANNELS - 1) / CHANNELS, threads = omp_get_num_threads();
    const int64_t first = blocks * omp_get_thread_num() / threads, last = blocks * (omp_get_thread_num() + 1) / threads;
    REAL weights[seen][CHANNELS];
    for (int64_t i = 0; i < tokens && first < last; i++) {
      const int32_t *rows = visible + i * seen;
      int64_t begin, own;
      NAME(run)(rows, seen, &begin, &own);
      for (int64_t block = first; block < last; block++) {
        const int64_t at = block * CHANNELS, here = i * width + at;
#define BACKWARD(size)                                                                                               \
  NAME(backward_of_token)(rows, begin, own, decay, bonus, k, v, r + here, width, at, size, weights, grad_out + here, \
                          grad_decay, grad_bonus, grad_k, grad_v, grad_r + here)
        if (width - at >= CHANNELS)
          BACKWARD(CHANNELS);
        else
          BACKWARD(width - at);
      }
    }
  }
}
