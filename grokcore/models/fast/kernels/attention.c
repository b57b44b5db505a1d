/* Causal attention over a few visible rows per query, without copies: forward and backward.
 *
 * Every query row i sees up to `seen` rows of keys and values, numbered in visible[i * seen ..]; a negative number is
 * none. Row r of queries, keys and values begins at base + r * stride and holds `heads` heads of `size` numbers.
 *   out_i = sum_j p_ij v_j,  p_i = softmax_j(scale q_i . k_j)
 */
#include <omp.h>
#include <stdint.h>

#include "elementary.h"
#include "real.h"

static inline REAL NAME(dot)(const REAL *restrict a, const REAL *restrict b, int64_t size) {
  REAL sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t c = 0; c < size; c++) sum += a[c] * b[c];
  return sum;
}

static inline void NAME(add_scaled)(REAL *restrict to, REAL factor, const REAL *restrict from, int64_t size) {
#pragma omp simd
  for (int64_t c = 0; c < size; c++) to[c] += factor * from[c];
}

static inline __attribute__((always_inline)) void NAME(forward_of_size)(
    const REAL *q, int64_t q_stride, const REAL *k, const REAL *v, int64_t kv_stride, const int32_t *visible,
    int64_t queries, int64_t seen, int64_t heads, int64_t size, REAL scale, REAL *weights, REAL *out) {
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < queries; i++) {
    const int32_t *rows = visible + i * seen;
    for (int64_t h = 0; h < heads; h++) {
      const REAL *query = q + i * q_stride + h * size;
      REAL *weight = weights + (i * heads + h) * seen, *result = out + (i * heads + h) * size;
      REAL largest = -1e30, sum = 0;
      for (int64_t j = 0; j < seen; j++) {
        if (rows[j] < 0) continue;
        weight[j] = scale * NAME(dot)(query, k + rows[j] * kv_stride + h * size, size);
        largest = weight[j] > largest ? weight[j] : largest;
      }
      for (int64_t c = 0; c < size; c++) result[c] = 0;
      for (int64_t j = 0; j < seen; j++) {
        weight[j] = rows[j] < 0 ? 0 : EXP(weight[j] - largest);
        sum += weight[j];
      }
      const REAL normalizer = 1 / sum;
      for (int64_t j = 0; j < seen; j++) {
        if (rows[j] < 0) continue;
        weight[j] *= normalizer;
        NAME(add_scaled)(result, weight[j], v + rows[j] * kv_stride + h * size, size);
      }
    }
  }
}

static inline __attribute__((always_inline)) void NAME(backward_of_size)(
    const REAL *q, int64_t q_stride, const REAL *k, const REAL *v, int64_t kv_stride, const int32_t *visible,
    int64_t queries, int64_t seen, int64_t heads, int64_t size, REAL scale, const REAL *weights, const REAL *out,
    const REAL *grad_out, REAL *grad_q, REAL *grad_k, REAL *grad_v) {
#pragma omp parallel
  {
    const int64_t threads = omp_get_num_threads(), thread = omp_get_thread_num();
    const int64_t first = heads * thread / threads, end = heads * (thread + 1) / threads;
    for (int64_t i = 0; i < queries && first < end; i++) {
      const int32_t *rows = visible + i * seen;
      for (int64_t h = first; h < end; h++) {
        const REAL *query = q + i * q_stride + h * size, *gradient = grad_out + (i * heads + h) * size;
        const REAL *weight = weights + (i * heads + h) * seen;
        const REAL mean = NAME(dot)(gradient, out + (i * heads + h) * size, size);
        REAL *grad_query = grad_q + i * q_stride + h * size;
        for (int64_t c = 0; c < size; c++) grad_query[c] = 0;
        for (int64_t j = 0; j < seen; j++) {
          if (rows[j] < 0) continue;
          const int64_t at = rows[j] * kv_stride + h * size;
          const REAL grad_score = scale * weight[j] * (NAME(dot)(gradient, v + at, size) - mean);
          NAME(add_scaled)(grad_query, grad_score, k + at, size);
          NAME(add_scaled)(grad_k + at, grad_score, query, size);
          NAME(add_scaled)(grad_v + at, weight[j], gradient, size);
        }
      }
    }
  }
}

/* Heads of a size that the compiler knows are loops that it unrolls. */
#define FOR_SIZE(call)                           \
  switch (size) {                                \
    case 8: call(8); break;                      \
    case 16: call(16); break;                    \
    case 32: call(32); break;                    \
    case 64: call(64); break;                    \
    default: call(size);                         \
  }

/* weights: (queries, heads, seen), kept for the backward pass; 0 where nothing is seen. */
void NAME(attention_forward)(const REAL *q, int64_t q_stride, const REAL *k, const REAL *v, int64_t kv_stride,
                             const int32_t *visible, int64_t queries, int64_t seen, int64_t heads, int64_t size,
                             double scale, REAL *weights, REAL *out) {
#define FORWARD(size) \
  NAME(forward_of_size)(q, q_stride, k, v, kv_stride, visible, queries, seen, heads, size, scale, weights, out)
  FOR_SIZE(FORWARD)
}

/* Gradients have the strides of what they are gradients of; those of keys and values must be zero on entry. A thread
 * has heads of its own, so that no two add to the same numbers and the order of the sums is fixed. */
void NAME(attention_backward)(const REAL *q, int64_t q_stride, const REAL *k, const REAL *v, int64_t kv_stride,
                              const int32_t *visible, int64_t queries, int64_t seen, int64_t heads, int64_t size,
                              double scale, const REAL *weights, const REAL *out, const REAL *grad_out, REAL *grad_q,
                              REAL *grad_k, REAL *grad_v) {
#define BACKWARD(size)                                                                                              \
  NAME(backward_of_size)(q, q_stride, k, v, kv_stride, visible, queries, seen, heads, size, scale, weights, out,    \
                         grad_out, grad_q, grad_k, grad_v)
  FOR_SIZE(BACKWARD)
}
