/* RWKV-4's average of values over a few visible rows per token, gated: forward and backward.
 *
 * Row i sees the rows visible[i * seen ..] in their order, itself last; a negative number is none. In every channel,
 * with slots j of which the own one is t:
 *   out_i = sigmoid(r_i) sum_j p_ij v_j,  p_i = softmax_j(s_ij),  s_ij = k_j - (t - 1 - j) decay,  s_it = k_t + first
 */
#include <stdint.h>
#include <string.h>
#include <tgmath.h>

#ifndef REAL
#define REAL float
#endif
#define NAME2(name, real) name##_##real
#define NAME1(name, real) NAME2(name, real)
#define NAME(name) NAME1(name, REAL)

enum { CHANNELS = 32 }; /* computed together: a few vector registers, and the numbers of a row that a thread owns */

/* exp(x) for x <= 0. In fp32 it is 2^n e^r with |r| <= ln(2) / 2 and a Taylor polynomial, to 1e-7, since the library's
 * is not made for vectors; e^-87 stands for all that is smaller. */
static inline REAL NAME(exp_negative)(REAL x) {
  if (sizeof(REAL) == sizeof(double)) return exp(x);
  const float least = -87.0f, y = (float)x < least ? least : (float)x;
  const int32_t n = (int32_t)(y * 1.44269504f - 0.5f), bits = (n + 127) << 23;
  const float r = y - (float)n * 0.693147181f;
  float power, e = 1 / 5040.0f;
  memcpy(&power, &bits, sizeof power);
  e = e * r + 1 / 720.0f;
  e = e * r + 1 / 120.0f;
  e = e * r + 1 / 24.0f;
  e = e * r + 1 / 6.0f;
  e = e * r + 0.5f;
  e = e * r + 1;
  return (e * r + 1) * power;
}

static inline REAL NAME(sigmoid)(REAL x) {
  const REAL e = NAME(exp_negative)(x < 0 ? x : -x);
  return (x < 0 ? e : 1) / (1 + e);
}

/* weights[j][c] = p_ij and mean[c] = sum_j p_ij v_j for `size` channels from channel `at` of each row. */
static inline void NAME(average)(const int32_t *rows, int64_t begin, int64_t own, const REAL *decay, const REAL *first,
                                 const REAL *k, const REAL *v, int64_t width, int64_t at, int64_t size,
                                 REAL (*weights)[CHANNELS], REAL *mean) {
  REAL largest[CHANNELS], sum[CHANNELS];
  const REAL *key = k + rows[own] * width + at;
  for (int64_t c = 0; c < size; c++) largest[c] = weights[own][c] = key[c] + first[at + c];
  for (int64_t j = begin; j < own; j++) {
    const REAL age = own - 1 - j;
    key = k + rows[j] * width + at;
    for (int64_t c = 0; c < size; c++) {
      const REAL score = key[c] - age * decay[at + c];
      weights[j][c] = score;
      largest[c] = score > largest[c] ? score : largest[c];
    }
  }
  for (int64_t c = 0; c < size; c++) sum[c] = mean[c] = 0;
  for (int64_t j = begin; j <= own; j++) {
    const REAL *value = v + rows[j] * width + at;
    for (int64_t c = 0; c < size; c++) {
      const REAL weight = NAME(exp_negative)(weights[j][c] - largest[c]);
      weights[j][c] = weight;
      sum[c] += weight;
      mean[c] += weight * value[c];
    }
  }
  for (int64_t c = 0; c < size; c++) mean[c] /= sum[c];
  for (int64_t j = begin; j <= own; j++)
    for (int64_t c = 0; c < size; c++) weights[j][c] /= sum[c];
}

/* The slots that are seen are one run from `begin` to the own one. */
static inline void NAME(run)(const int32_t *rows, int64_t seen, int64_t *begin, int64_t *own) {
  *begin = 0, *own = seen - 1;
  while (rows[*begin] < 0) ++*begin;
  while (rows[*own] < 0) --*own;
}

/* k, v: rows of `width` channels; r, out: `tokens` such rows; decay, first: (width,). */
void NAME(wkv_forward)(const REAL *decay, const REAL *first, const REAL *k, const REAL *v, const REAL *r,
                       const int32_t *visible, int64_t tokens, int64_t seen, int64_t width, REAL *out) {
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < tokens; i++) {
    const int32_t *rows = visible + i * seen;
    int64_t begin, own;
    NAME(run)(rows, seen, &begin, &own);
    REAL weights[seen][CHANNELS], mean[CHANNELS];
    for (int64_t at = 0; at < width; at += CHANNELS) {
      const int64_t size = width - at < CHANNELS ? width - at : CHANNELS;
      NAME(average)(rows, begin, own, decay, first, k, v, width, at, size, weights, mean);
      for (int64_t c = 0; c < size; c++)
        out[i * width + at + c] = NAME(sigmoid)(r[i * width + at + c]) * mean[c];
    }
  }
}

/* All gradients but that of r must be zero on entry. A thread has channels of its own, so that no two add to the same
 * numbers and the order of the sums is fixed. */
void NAME(wkv_backward)(const REAL *decay, const REAL *first, const REAL *k, const REAL *v, const REAL *r,
                        const int32_t *visible, int64_t tokens, int64_t seen, int64_t width, const REAL *grad_out,
                        REAL *grad_decay, REAL *grad_first, REAL *grad_k, REAL *grad_v, REAL *grad_r) {
#pragma omp parallel for schedule(static)
  for (int64_t at = 0; at < width; at += CHANNELS) {
    const int64_t size = width - at < CHANNELS ? width - at : CHANNELS;
    REAL weights[seen][CHANNELS], mean[CHANNELS], grad_mean[CHANNELS];
    for (int64_t i = 0; i < tokens; i++) {
      const int32_t *rows = visible + i * seen;
      int64_t begin, own;
      NAME(run)(rows, seen, &begin, &own);
      NAME(average)(rows, begin, own, decay, first, k, v, width, at, size, weights, mean);
      const REAL *gradient = grad_out + i * width + at, *gate = r + i * width + at;
      REAL *grad_gate = grad_r + i * width + at;
      for (int64_t c = 0; c < size; c++) {
        const REAL open = NAME(sigmoid)(gate[c]);
        grad_mean[c] = gradient[c] * open;
        grad_gate[c] = grad_mean[c] * (1 - open) * mean[c];
      }
      for (int64_t j = begin; j <= own; j++) {
        const int64_t row = rows[j] * width + at;
        const REAL age = j < own ? own - 1 - j : 0;
        const REAL *value = v + row;
        REAL *grad_key = grad_k + row, *grad_value = grad_v + row;
        REAL *grad_own = j < own ? grad_decay + at : grad_first + at;
        const REAL factor = j < own ? -age : 1;
        for (int64_t c = 0; c < size; c++) {
          const REAL part = grad_mean[c] * weights[j][c], grad_score = part * (value[c] - mean[c]);
          grad_value[c] += part;
          grad_key[c] += grad_score;
          grad_own[c] += factor * grad_score;
        }
      }
    }
  }
}
