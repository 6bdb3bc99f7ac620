// The steps between a Llama's matrix products, each in one pass over memory, and attention within packed rows.
// Knows nothing of Python, torch or models: pointers, sizes and strides (counted in elements) come in from kernels.py.
//
// Activations are float or bfloat16; the stream of hidden states and every sum are float. Threads share out rows or
// heads and no sum crosses a thread, so that the numbers do not depend on how many there are.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

namespace {

// ---- numbers ----

struct Brain {  // bfloat16: the upper half of a float
  uint16_t bits;
};

inline float load(float value) { return value; }

inline float load(Brain value) {
  uint32_t bits = uint32_t(value.bits) << 16;
  float wide;
  std::memcpy(&wide, &bits, sizeof wide);
  return wide;
}

inline void store(float& into, float value) { into = value; }

inline void store(Brain& into, float value) {  // rounds to the nearest, ties to even
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  into.bits = uint16_t((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// e^x within two units in the last place, in steps that a compiler vectorises (Cephes' reduction and polynomial).
inline float exponential(float x) {
  x = std::min(std::max(x, -87.33f), 88.37f);
  float whole = std::nearbyint(x * 1.44269504f);
  float rest = (x - whole * 0.693359375f) - whole * -2.12194440e-4f;
  float power = 1.9875691500e-4f;
  power = power * rest + 1.3981999507e-3f;
  power = power * rest + 8.3334519073e-3f;
  power = power * rest + 4.1665795894e-2f;
  power = power * rest + 1.6666665459e-1f;
  power = power * rest + 5.0000001201e-1f;
  power = power * rest * rest + rest + 1.0f;
  uint32_t scale_bits = uint32_t(int32_t(whole) + 127) << 23;
  float scale;
  std::memcpy(&scale, &scale_bits, sizeof scale);
  return power * scale;
}

inline float sigmoid(float x) { return 1.0f / (1.0f + exponential(-x)); }

// ---- small matrix products, in registers ----

#if defined(__AVX512F__)
constexpr int LANES = 16, TILE_VECTORS = 4;
#elif defined(__AVX__)
constexpr int LANES = 8, TILE_VECTORS = 2;
#else
constexpr int LANES = 4, TILE_VECTORS = 2;
#endif
constexpr int TILE_ROWS = 6;  // with TILE_VECTORS: as many sums as the register file holds beside their factors
typedef float Vector __attribute__((vector_size(LANES * sizeof(float)), aligned(sizeof(float)), may_alias));

inline long padded(long count) { return (count + LANES - 1) / LANES * LANES; }

// A matrix read one number at a time: entry (i, k) lies at data[i * row + k * step], so a transpose costs nothing.
struct Left {
  const float* data;
  long row, step;
};

template <int ROWS, int VECTORS>
inline void tile(long depth, Left left, const float* right, long right_row, float* into, long into_row, bool add) {
  Vector sums[ROWS][VECTORS] = {};
  for (long k = 0; k < depth; k++) {
    const Vector* factors = reinterpret_cast<const Vector*>(right + k * right_row);
    for (int i = 0; i < ROWS; i++)
      for (int v = 0; v < VECTORS; v++) sums[i][v] += left.data[i * left.row + k * left.step] * factors[v];
  }
  for (int i = 0; i < ROWS; i++) {
    Vector* row = reinterpret_cast<Vector*>(into + i * into_row);
    for (int v = 0; v < VECTORS; v++) row[v] = add ? row[v] + sums[i][v] : sums[i][v];
  }
}

template <int VECTORS>
void panel(long rows, long depth, Left left, const float* right, long right_row, float* into, long into_row, bool add) {
  long i = 0;
  for (; i + TILE_ROWS <= rows; i += TILE_ROWS)
    tile<TILE_ROWS, VECTORS>(depth, {left.data + i * left.row, left.row, left.step}, right, right_row,
                             into + i * into_row, into_row, add);
  for (; i < rows; i++)
    tile<1, VECTORS>(depth, {left.data + i * left.row, left.row, left.step}, right, right_row, into + i * into_row,
                     into_row, add);
}

// into[rows, columns] = left[rows, depth] right[depth, columns], or += where `add`; columns are a multiple of LANES.
void multiply(long rows, long columns, long depth, Left left, const float* right, long right_row, float* into,
              long into_row, bool add) {
  long j = 0;
  for (; j + TILE_VECTORS * LANES <= columns; j += TILE_VECTORS * LANES)
    panel<TILE_VECTORS>(rows, depth, left, right + j, right_row, into + j, into_row, add);
  for (; j < columns; j += LANES) panel<1>(rows, depth, left, right + j, right_row, into + j, into_row, add);
}

// ---- attention ----

constexpr long QUERY_BLOCK = 8 * TILE_ROWS;  // queries that look back together: their scores stay in the cache

// Where things lie. A token's row in `qkv` is its query heads, then its key heads, then its value heads.
struct Heads {
  long queries, keys, size;
  const float *cosine, *sine;  // [positions, size / 2]
  long row() const { return (queries + 2 * keys) * size; }
  long group() const { return queries / keys; }
};

// One head of `count` tokens as floats [count, width], turned by position (from `first` on) and scaled.
template <class T>
void read_turned(const T* from, long from_row, float* into, long width, long first, long count, const Heads& heads,
                 float scale) {
  long half = heads.size / 2;
  for (long t = 0; t < count; t++, from += from_row, into += width) {
    const float *cosine = heads.cosine + (first + t) * half, *sine = heads.sine + (first + t) * half;
#pragma omp simd
    for (long i = 0; i < half; i++) {
      float left = load(from[i]), right = load(from[half + i]);
      into[i] = (left * cosine[i] - right * sine[i]) * scale;
      into[half + i] = (right * cosine[i] + left * sine[i]) * scale;
    }
    std::fill(into + heads.size, into + width, 0.0f);
  }
}

// The gradient's way back: turned by the opposite angle.
template <class T>
void write_turned_back(const float* from, long width, T* into, long into_row, long first, long count,
                       const Heads& heads, float scale) {
  long half = heads.size / 2;
  for (long t = 0; t < count; t++, from += width, into += into_row) {
    const float *cosine = heads.cosine + (first + t) * half, *sine = heads.sine + (first + t) * half;
#pragma omp simd
    for (long i = 0; i < half; i++) {
      store(into[i], (from[i] * cosine[i] + from[half + i] * sine[i]) * scale);
      store(into[half + i], (from[half + i] * cosine[i] - from[i] * sine[i]) * scale);
    }
  }
}

template <class T>
void read(const T* from, long from_row, float* into, long width, long count, long size) {
  for (long t = 0; t < count; t++, from += from_row, into += width) {
#pragma omp simd
    for (long i = 0; i < size; i++) into[i] = load(from[i]);
    std::fill(into + size, into + width, 0.0f);
  }
}

template <class T>
void write(const float* from, long width, T* into, long into_row, long count, long size) {
  for (long t = 0; t < count; t++, from += width, into += into_row)
#pragma omp simd
    for (long i = 0; i < size; i++) store(into[i], from[i]);
}

// [count, width] -> [width, row]; what lies past `count` is zero, since whole vectors of it are read.
void transpose(const float* from, long count, long width, float* into, long row) {
  for (long i = 0; i < width; i++) std::fill(into + i * row + count, into + (i + 1) * row, 0.0f);
  for (long block = 0; block < count; block += LANES)
    for (long i = 0; i < width; i++)
      for (long t = block; t < std::min(count, block + LANES); t++) into[i * row + t] = from[t * width + i];
}

// A thread's memory for one row and head, handed out piece by piece; it stays the thread's, at its largest.
class Scratch {
 public:
  explicit Scratch(long floats) {
    if (long(held_.size()) < floats) held_.resize(floats);
  }
  float* take(long floats) {
    float* piece = held_.data() + used_;
    used_ += floats;
    return piece;
  }

 private:
  static thread_local std::vector<float> held_;
  long used_ = 0;
};

thread_local std::vector<float> Scratch::held_;

// A row's scores lie this far apart: one vector more than needed, lest rows fall on the same lines of the cache.
inline long score_row(long length) { return padded(length) + LANES; }

// softmax of the first `seen` scores, without the division; answers the sum and leaves the logarithm in `log_sum`.
float soften(float* scores, long seen, long end, float* log_sum) {
  float highest = scores[0], sum = 0.0f;
#pragma omp simd reduction(max : highest)
  for (long k = 0; k < seen; k++) highest = std::max(highest, scores[k]);
#pragma omp simd reduction(+ : sum)
  for (long k = 0; k < seen; k++) {
    scores[k] = exponential(scores[k] - highest);
    sum += scores[k];
  }
  std::fill(scores + seen, scores + end, 0.0f);
  *log_sum = highest + std::log(sum);
  return 1.0f / sum;
}

// One row and key head: `qkv` at the row's first token, `mixed` [tokens, queries * size], `log_sums` [tokens, queries].
template <class T>
void attend_row(const T* qkv, T* mixed, float* log_sums, long length, long key, const Heads& heads) {
  long width = padded(heads.size), row = score_row(length);
  Scratch scratch(width * (2 * length + row + 2 * QUERY_BLOCK) + QUERY_BLOCK * row);
  float *keys = scratch.take(length * width), *values = scratch.take(length * width),
        *turned_keys = scratch.take(width * row), *queries = scratch.take(QUERY_BLOCK * width),
        *answers = scratch.take(QUERY_BLOCK * width), *scores = scratch.take(QUERY_BLOCK * row);
  read_turned(qkv + (heads.queries + key) * heads.size, heads.row(), keys, width, 0, length, heads, 1.0f);
  read(qkv + (heads.queries + heads.keys + key) * heads.size, heads.row(), values, width, length, heads.size);
  transpose(keys, length, width, turned_keys, row);
  for (long query = key * heads.group(); query < (key + 1) * heads.group(); query++)
    for (long first = 0; first < length; first += QUERY_BLOCK) {
      long count = std::min(QUERY_BLOCK, length - first), end = first + count;
      read_turned(qkv + first * heads.row() + query * heads.size, heads.row(), queries, width, first, count, heads,
                  1.0f / std::sqrt(float(heads.size)));
      multiply(count, padded(end), width, {queries, width, 1}, turned_keys, row, scores, row, false);
      float shares[QUERY_BLOCK];
      for (long t = 0; t < count; t++)
        shares[t] = soften(scores + t * row, first + t + 1, end, log_sums + (first + t) * heads.queries + query);
      multiply(count, width, end, {scores, row, 1}, values, width, answers, width, false);
      for (long t = 0; t < count; t++)
#pragma omp simd
        for (long i = 0; i < heads.size; i++) answers[t * width + i] *= shares[t];
      write(answers, width, mixed + (first * heads.queries + query) * heads.size, heads.queries * heads.size, count,
            heads.size);
    }
}

// The gradients for one row and key head, and for the query heads that read it, into `for_qkv`.
template <class T>
void attend_row_back(const T* qkv, const T* mixed, const T* gradient, const float* log_sums, T* for_qkv, long length,
                     long key, const Heads& heads) {
  long width = padded(heads.size), row = score_row(length), mixed_row = heads.queries * heads.size;
  Scratch scratch(width * (4 * length + 2 * row + 4 * QUERY_BLOCK) + 2 * QUERY_BLOCK * row);
  float *keys = scratch.take(length * width), *values = scratch.take(length * width),
        *for_keys = scratch.take(length * width), *for_values = scratch.take(length * width),
        *turned_keys = scratch.take(width * row), *turned_values = scratch.take(width * row),
        *queries = scratch.take(QUERY_BLOCK * width), *for_answers = scratch.take(QUERY_BLOCK * width),
        *answers = scratch.take(QUERY_BLOCK * width), *for_queries = scratch.take(QUERY_BLOCK * width),
        *shares = scratch.take(QUERY_BLOCK * row), *for_scores = scratch.take(QUERY_BLOCK * row);
  float scale = 1.0f / std::sqrt(float(heads.size));
  long key_at = (heads.queries + key) * heads.size, value_at = key_at + heads.keys * heads.size;
  read_turned(qkv + key_at, heads.row(), keys, width, 0, length, heads, 1.0f);
  read(qkv + value_at, heads.row(), values, width, length, heads.size);
  transpose(keys, length, width, turned_keys, row);
  transpose(values, length, width, turned_values, row);
  std::fill(for_keys, for_keys + length * width, 0.0f);
  std::fill(for_values, for_values + length * width, 0.0f);
  for (long query = key * heads.group(); query < (key + 1) * heads.group(); query++)
    for (long first = 0; first < length; first += QUERY_BLOCK) {
      long count = std::min(QUERY_BLOCK, length - first), end = first + count;
      long mixed_at = (first * heads.queries + query) * heads.size;
      read_turned(qkv + first * heads.row() + query * heads.size, heads.row(), queries, width, first, count, heads,
                  scale);
      read(gradient + mixed_at, mixed_row, for_answers, width, count, heads.size);
      read(mixed + mixed_at, mixed_row, answers, width, count, heads.size);
      multiply(count, padded(end), width, {queries, width, 1}, turned_keys, row, shares, row, false);
      multiply(count, padded(end), width, {for_answers, width, 1}, turned_values, row, for_scores, row, false);
      for (long t = 0; t < count; t++) {
        float *share = shares + t * row, *for_score = for_scores + t * row, along = 0.0f;
        float log_sum = log_sums[(first + t) * heads.queries + query];
        long seen = first + t + 1;
#pragma omp simd reduction(+ : along)
        for (long i = 0; i < width; i++) along += answers[t * width + i] * for_answers[t * width + i];
#pragma omp simd
        for (long k = 0; k < seen; k++) {
          share[k] = exponential(share[k] - log_sum);
          for_score[k] = share[k] * (for_score[k] - along);
        }
        std::fill(share + seen, share + end, 0.0f);
        std::fill(for_score + seen, for_score + end, 0.0f);
      }
      multiply(end, width, count, {shares, 1, row}, for_answers, width, for_values, width, true);
      multiply(end, width, count, {for_scores, 1, row}, queries, width, for_keys, width, true);
      multiply(count, width, end, {for_scores, row, 1}, keys, width, for_queries, width, false);
      write_turned_back(for_queries, width, for_qkv + first * heads.row() + query * heads.size, heads.row(), first,
                        count, heads, scale);
    }
  write_turned_back(for_keys, width, for_qkv + key_at, heads.row(), 0, length, heads, 1.0f);
  write(for_values, width, for_qkv + value_at, heads.row(), length, heads.size);
}

// Calls `one(first token, length, key head)` for every row and key head, shared out over the threads.
template <class One>
void each_head(const int64_t* lengths, long rows, long keys, One one) {
  std::vector<long> starts(rows, 0);
  for (long r = 1; r < rows; r++) starts[r] = starts[r - 1] + lengths[r - 1];
#pragma omp parallel for schedule(dynamic)
  for (long task = 0; task < rows * keys; task++) one(starts[task / keys], lengths[task / keys], task % keys);
}

template <class T>
void attend(const T* qkv, T* mixed, float* log_sums, const int64_t* lengths, long rows, const Heads& heads) {
  each_head(lengths, rows, heads.keys, [&](long start, long length, long key) {
    attend_row(qkv + start * heads.row(), mixed + start * heads.queries * heads.size, log_sums + start * heads.queries,
               length, key, heads);
  });
}

template <class T>
void attend_back(const T* qkv, const T* mixed, const T* gradient, const float* log_sums, T* for_qkv,
                 const int64_t* lengths, long rows, const Heads& heads) {
  long mixed_row = heads.queries * heads.size;
  each_head(lengths, rows, heads.keys, [&](long start, long length, long key) {
    attend_row_back(qkv + start * heads.row(), mixed + start * mixed_row, gradient + start * mixed_row,
                    log_sums + start * heads.queries, for_qkv + start * heads.row(), length, key, heads);
  });
}

// ---- the steps between ----

// stream += update (where there is one), and normed = stream / rms(stream) * weight; keeps 1 / rms for the way back.
template <class T>
void add_norm(const float* stream, const T* update, const float* weight, float* sum, T* normed, float* inverse,
              long rows, long width, float epsilon) {
#pragma omp parallel for schedule(static)
  for (long t = 0; t < rows; t++) {
    const float* row = stream + t * width;
    float squares = 0.0f;
    if (update) {
      const T* added = update + t * width;
      float* into = sum + t * width;
#pragma omp simd reduction(+ : squares)
      for (long i = 0; i < width; i++) {
        float value = row[i] + load(added[i]);
        into[i] = value;
        squares += value * value;
      }
      row = into;
    } else {
#pragma omp simd reduction(+ : squares)
      for (long i = 0; i < width; i++) squares += row[i] * row[i];
    }
    float scale = inverse[t] = 1.0f / std::sqrt(squares / width + epsilon);
    T* out = normed + t * width;
#pragma omp simd
    for (long i = 0; i < width; i++) store(out[i], row[i] * scale * weight[i]);
  }
}

// for_stream = the stream's own gradient (where there is one) + what comes back through the norm.
template <class T>
void add_norm_back(const float* sum, const float* weight, const float* inverse, const T* for_normed,
                   const float* for_sum, float* for_stream, T* for_update, long rows, long width) {
#pragma omp parallel for schedule(static)
  for (long t = 0; t < rows; t++) {
    const float* row = sum + t * width;
    const T* back = for_normed + t * width;
    float* into = for_stream + t * width;
    float scale = inverse[t], along = 0.0f;
#pragma omp simd reduction(+ : along)
    for (long i = 0; i < width; i++) along += load(back[i]) * weight[i] * row[i];
    along *= scale * scale * scale / width;
#pragma omp simd
    for (long i = 0; i < width; i++) into[i] = load(back[i]) * weight[i] * scale - row[i] * along;
    if (for_sum)
#pragma omp simd
      for (long i = 0; i < width; i++) into[i] += for_sum[t * width + i];
    if (for_update)
#pragma omp simd
      for (long i = 0; i < width; i++) store(for_update[t * width + i], into[i]);
  }
}

// gated = silu(gate) * up, the halves of each row.
template <class T>
void swiglu(const T* gate_up, T* gated, long rows, long width) {
#pragma omp parallel for schedule(static)
  for (long t = 0; t < rows; t++) {
    const T *gate = gate_up + t * 2 * width, *up = gate + width;
    T* out = gated + t * width;
#pragma omp simd
    for (long i = 0; i < width; i++) {
      float g = load(gate[i]);
      store(out[i], g * sigmoid(g) * load(up[i]));
    }
  }
}

template <class T>
void swiglu_back(const T* gate_up, const T* gradient, T* for_gate_up, long rows, long width) {
#pragma omp parallel for schedule(static)
  for (long t = 0; t < rows; t++) {
    const T *gate = gate_up + t * 2 * width, *up = gate + width, *back = gradient + t * width;
    T *for_gate = for_gate_up + t * 2 * width, *for_up = for_gate + width;
#pragma omp simd
    for (long i = 0; i < width; i++) {
      float g = load(gate[i]), b = load(back[i]), chance = sigmoid(g);
      store(for_up[i], b * g * chance);
      store(for_gate[i], b * load(up[i]) * chance * (1.0f + g * (1.0f - chance)));
    }
  }
}

// Each row's loss; the logits become their own gradients.
template <class T>
void cross_entropy(T* logits, const int64_t* targets, float* losses, long rows, long width) {
#pragma omp parallel for schedule(static)
  for (long t = 0; t < rows; t++) {
    T* row = logits + t * width;
    float wanted = load(row[targets[t]]), highest = wanted, sum = 0.0f;
#pragma omp simd reduction(max : highest)
    for (long i = 0; i < width; i++) highest = std::max(highest, load(row[i]));
#pragma omp simd reduction(+ : sum)
    for (long i = 0; i < width; i++) sum += exponential(load(row[i]) - highest);
    losses[t] = std::log(sum) + highest - wanted;
    float share = 1.0f / sum;
#pragma omp simd
    for (long i = 0; i < width; i++) store(row[i], exponential(load(row[i]) - highest) * share);
    store(row[targets[t]], exponential(wanted - highest) * share - 1.0f);
  }
}

}  // namespace

// ---- what Python calls: one name a type ----

#define FACE(KIND, T)                                                                                                  \
  extern "C" void attend_##KIND(const T* qkv, T* mixed, float* log_sums, const int64_t* lengths, long rows,            \
                                const float* cosine, const float* sine, long queries, long keys, long size) {          \
    attend<T>(qkv, mixed, log_sums, lengths, rows, {queries, keys, size, cosine, sine});                               \
  }                                                                                                                    \
  extern "C" void attend_back_##KIND(const T* qkv, const T* mixed, const T* gradient, const float* log_sums,           \
                                     T* for_qkv, const int64_t* lengths, long rows, const float* cosine,               \
                                     const float* sine, long queries, long keys, long size) {                          \
    attend_back<T>(qkv, mixed, gradient, log_sums, for_qkv, lengths, rows, {queries, keys, size, cosine, sine});       \
  }                                                                                                                    \
  extern "C" void add_norm_##KIND(const float* stream, const T* update, const float* weight, float* sum, T* normed,    \
                                  float* inverse, long rows, long width, float epsilon) {                              \
    add_norm<T>(stream, update, weight, sum, normed, inverse, rows, width, epsilon);                                   \
  }                                                                                                                    \
  extern "C" void add_norm_back_##KIND(const float* sum, const float* weight, const float* inverse,                    \
                                       const T* for_normed, const float* for_sum, float* for_stream, T* for_update,    \
                                       long rows, long width) {                                                        \
    add_norm_back<T>(sum, weight, inverse, for_normed, for_sum, for_stream, for_update, rows, width);                  \
  }                                                                                                                    \
  extern "C" void swiglu_##KIND(const T* gate_up, T* gated, long rows, long width) {                                   \
    swiglu<T>(gate_up, gated, rows, width);                                                                            \
  }                                                                                                                    \
  extern "C" void swiglu_back_##KIND(const T* gate_up, const T* gradient, T* for_gate_up, long rows, long width) {     \
    swiglu_back<T>(gate_up, gradient, for_gate_up, rows, width);                                                       \
  }                                                                                                                    \
  extern "C" void cross_entropy_##KIND(T* logits, const int64_t* targets, float* losses, long rows, long width) {      \
    cross_entropy<T>(logits, targets, losses, rows, width);                                                            \
  }

FACE(float32, float)
FACE(bfloat16, Brain)
