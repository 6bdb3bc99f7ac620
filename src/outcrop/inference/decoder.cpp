// A Llama's forward pass over tokens of many answers, from token numbers to hidden states, in one call a step.
// Knows nothing of Python, torch or requests: sizes, pointers and where each token stands come in from compiled.py.
//
// Weights lie in panels of LANES outputs, input by input, so that a product reads each of them once, in order, for up to
// TILE tokens. Every sum runs over its inputs in one order and never crosses a thread: a token's numbers do not depend
// on how many tokens run beside it, nor on how many threads there are.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "eight_bits.h"
#include "matrix.h"
#include "vectors.h"

namespace {

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

// ---- what comes in; compiled.py has the same structures ----

enum Place { QKV, OUTPUT, GATE_UP, DOWN, PLACES };
constexpr int PARTS = 3;  // projections that one place joins, at most

struct Layer {
  const float *attention_norm, *mlp_norm;
  Matrix matrices[PLACES];
};

// What an adapter adds at one place of one layer: each part widens its own share of what `narrow` gives.
struct Patch {
  Matrix narrow;
  Matrix widen[PARTS];
  long columns[PARTS];  // where the part's outputs begin
};

struct Model {
  long layer_count, hidden, inner, heads, key_heads, size;
  float epsilon;
  const float *cosine, *sine;  // [positions, size / 2]
  const float *embedding, *norm;
  Matrix head;
  const Layer* layers;
};

struct Slice {  // tokens from `start` to before `stop` run through an adapter: patches [layers, PLACES]
  long start, stop;
  const Patch* patches;
};

struct Step {
  long count;
  const int64_t *tokens, *rows, *positions;  // [count]
  float* const* keys;                        // a layer each: [rows, key heads, length, size]
  float* const* values;
  long length;
  long slice_count;
  const Slice* slices;
};

// ---- products ----

template <typename Weight, int ROWS>
inline void sum_up(const Matrix& matrix, long panel, const float* left, long step, Vector (&sums)[ROWS]) {
  const Weight* weights = static_cast<const Weight*>(matrix.panels) + panel * matrix.inputs * LANES;
  for (long k = 0; k < matrix.inputs; k++, weights += LANES, left += step) {
    if (ROWS > 1) fetch(weights + AHEAD * LANES);
    Vector weight = vector_at(weights);
    for (int i = 0; i < ROWS; i++) sums[i] += left[i] * weight;
  }
}

template <int ROWS>
void panel_product(const Matrix& matrix, long panel, const float* left, long step, const Target& target) {
  Vector sums[ROWS] = {};
  if (matrix.halves) sum_up<uint16_t>(matrix, panel, left, step, sums);
  else sum_up<float>(matrix, panel, left, step, sums);
  for (int i = 0; i < ROWS; i++) put(target, i, panel, matrix, sums[i]);
}

// left: [inputs, step], of which `rows` columns from the first on count.
void panel_product(int rows, const Matrix& matrix, long panel, const float* left, long step, const Target& target) {
#define CASE(ROWS) \
  case ROWS: return panel_product<ROWS>(matrix, panel, left, step, target);
  switch (rows) {
    CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8)
#if defined(__AVX__)
    CASE(9) CASE(10) CASE(11) CASE(12)
#endif
#if defined(__AVX512F__)
    CASE(13) CASE(14) CASE(15) CASE(16)
#endif
  }
#undef CASE
}

// Tokens as products read them: tiles of TILE tokens, each [inputs, tokens of the tile].
class Tiles {
 public:
  Tiles(const float* from, long count, long inputs, std::vector<float>& memory) : count_(count), inputs_(inputs) {
    if (long(memory.size()) < count * inputs) memory.resize(count * inputs);
    data_ = memory.data();
    if (count == 1) std::copy(from, from + inputs, memory.data());
    else
#pragma omp parallel for schedule(static)
      for (long t = 0; t < tiles(); t++) {
        float* into = memory.data() + t * TILE * inputs;
        long rows = this->rows(t);
        for (long k = 0; k < inputs; k++)
          for (long i = 0; i < rows; i++) into[k * rows + i] = from[(t * TILE + i) * inputs + k];
      }
  }
  long tiles() const { return (count_ + TILE - 1) / TILE; }
  long rows(long tile) const { return std::min<long>(TILE, count_ - tile * TILE); }
  const float* tile(long tile) const { return data_ + tile * TILE * inputs_; }

 private:
  long count_, inputs_;
  const float* data_;
};

constexpr long BLOCK_TOKENS = 96;  // a panel is held for so many: their inputs stay in the second cache

// `one(panel, tile)` for every panel and every tile of `tile_tokens`, in blocks; panels side by side.
template <typename One>
void each_panel(const Matrix& matrix, long tiles, long tile_tokens, One one) {
  for (long begin = 0, end; begin < tiles; begin = end) {
    end = std::min(tiles, begin + BLOCK_TOKENS / tile_tokens);
#pragma omp parallel for schedule(static)
    for (long panel = 0; panel < matrix.count(); panel++)
      for (long tile = begin; tile < end; tile++) one(panel, tile);
  }
}

void multiply(const Tiles& tiles, const Matrix& matrix, float* outputs) {
  each_panel(matrix, tiles.tiles(), TILE, [&](long panel, long tile) {
    panel_product(tiles.rows(tile), matrix, panel, tiles.tile(tile), tiles.rows(tile),
                  {outputs + tile * TILE * matrix.outputs, matrix.outputs, 1, false});
  });
}

void multiply(const RoundedTokens& tokens, const Matrix& matrix, float* outputs) {
  each_panel(matrix, tokens.tiles(), ROUNDED_TILE, [&](long panel, long tile) {
    rounded_product(matrix, panel, tokens, tile,
                    {outputs + tile * ROUNDED_TILE * matrix.outputs, matrix.outputs, 1, false});
  });
}

// ---- adapters ----

thread_local std::vector<float> narrowed_memory;

void add_patch(const Patch& patch, int rows, const float* left, long step, float* outputs, long width) {
  narrowed_memory.resize(std::max<size_t>(narrowed_memory.size(), patch.narrow.outputs * rows));
  float* narrowed = narrowed_memory.data();  // [ranks, rows]
  for (long panel = 0; panel < patch.narrow.count(); panel++)
    panel_product(rows, patch.narrow, panel, left, step, {narrowed, 1, rows, false});
  for (int part = 0; part < PARTS; part++) {
    const Matrix& widen = patch.widen[part];
    if (!widen.panels) continue;
    for (long panel = 0; panel < widen.count(); panel++)
      panel_product(rows, widen, panel, narrowed, rows, {outputs + patch.columns[part], width, 1, true});
    narrowed += widen.inputs * rows;
  }
}

struct Piece {  // tokens of one slice within one tile
  const Slice* slice;
  long tile, start, stop;
};

std::vector<Piece> pieces_of(const Step& step) {
  std::vector<Piece> pieces;
  for (const Slice* slice = step.slices; slice < step.slices + step.slice_count; slice++)
    for (long start = slice->start; start < slice->stop;) {
      long tile = start / TILE, stop = std::min(slice->stop, (tile + 1) * TILE);
      pieces.push_back({slice, tile, start, stop});
      start = stop;
    }
  return pieces;
}

// ---- the steps between products ----

void normalize(const float* states, const float* weight, float* into, long count, long width, float epsilon) {
#pragma omp parallel for schedule(static)
  for (long t = 0; t < count; t++) {
    const float* row = states + t * width;
    float squares = 0.0f;
#pragma omp simd reduction(+ : squares)
    for (long i = 0; i < width; i++) squares += row[i] * row[i];
    float scale = 1.0f / std::sqrt(squares / width + epsilon);
#pragma omp simd
    for (long i = 0; i < width; i++) into[t * width + i] = row[i] * scale * weight[i];
  }
}

void add(float* states, const float* update, long count) {
#pragma omp simd
  for (long i = 0; i < count; i++) states[i] += update[i];
}

void swiglu(const float* gate_up, float* into, long count, long width) {
#pragma omp parallel for schedule(static)
  for (long t = 0; t < count; t++) {
    const float *gate = gate_up + t * 2 * width, *up = gate + width;
#pragma omp simd
    for (long i = 0; i < width; i++) into[t * width + i] = gate[i] / (1.0f + exponential(-gate[i])) * up[i];
  }
}

// ---- attention ----

void turn(float* head, const float* cosine, const float* sine, long half, float scale) {
#pragma omp simd
  for (long i = 0; i < half; i++) {
    float left = head[i], right = head[half + i];
    head[i] = (left * cosine[i] - right * sine[i]) * scale;
    head[half + i] = (right * cosine[i] + left * sine[i]) * scale;
  }
}

struct Past {  // one answer's keys and values of one head: [seen, size] each
  const float *keys, *values;
  long seen;
};

// One position's numbers, asked for before they are needed.
inline void fetch_position(const float* at, long size) {
  for (long i = 0; i < size; i += LANES) fetch(at + i);
}

inline float dot(const float* left, const float* right, long size) {
  float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
  for (long i = 0; i < size; i++) sum += left[i] * right[i];
  return sum;
}

// `next`: whose keys are read after this.
void mix(const float* shares, const Past& past, const Past& next, long size, float* into) {
  constexpr int WIDE = 4;  // vectors summed side by side: a head of 64 in one pass
  for (long first = 0; first < size; first += WIDE * LANES) {
    long vectors = std::min<long>(WIDE, (size - first) / LANES);
    Vector sums[WIDE] = {};
    const float* value = past.values + first;
    if (vectors == WIDE)
      for (long p = 0; p < past.seen; p++, value += size) {
        if (p < next.seen) fetch_position(next.keys + p * size, size);
        for (int v = 0; v < WIDE; v++) sums[v] += shares[p] * vector_at(value + v * LANES);
      }
    else
      for (long p = 0; p < past.seen; p++, value += size)
        for (long v = 0; v < vectors; v++) sums[v] += shares[p] * vector_at(value + v * LANES);
    for (long v = 0; v < vectors; v++) vector_in(into + first + v * LANES) = sums[v];
  }
}

thread_local std::vector<float> shares_memory;

void attend_head(const float* query, const Past& past, const Past& next, long size, float* into) {
  shares_memory.resize(std::max<size_t>(shares_memory.size(), past.seen));
  float *shares = shares_memory.data(), highest = -INFINITY, sum = 0.0f;
  for (long p = 0; p < past.seen; p++) {
    fetch_position(past.values + p * size, size);
    shares[p] = dot(query, past.keys + p * size, size);
  }
#pragma omp simd reduction(max : highest)
  for (long p = 0; p < past.seen; p++) highest = std::max(highest, shares[p]);
#pragma omp simd reduction(+ : sum)
  for (long p = 0; p < past.seen; p++) sum += shares[p] = exponential(shares[p] - highest);
#pragma omp simd
  for (long p = 0; p < past.seen; p++) shares[p] /= sum;
  mix(shares, past, next, size, into);
}

// Writes the tokens' keys and values to the cache, then lets each token look back over its own row.
void attend(const Model& model, const Step& step, long layer, float* qkv, float* mixed) {
  long size = model.size, half = size / 2, width = (model.heads + 2 * model.key_heads) * size;
  float *keys = step.keys[layer], *values = step.values[layer], scale = 1.0f / std::sqrt(float(size));
  auto row = [&](long t, long key_head) {
    return (step.rows[t] * model.key_heads + key_head) * step.length * size;
  };
#pragma omp parallel for schedule(static)
  for (long t = 0; t < step.count; t++) {
    const float *cosine = model.cosine + step.positions[t] * half, *sine = model.sine + step.positions[t] * half;
    float *query = qkv + t * width, *key = query + model.heads * size, *value = key + model.key_heads * size;
    for (long h = 0; h < model.heads; h++) turn(query + h * size, cosine, sine, half, scale);
    for (long h = 0; h < model.key_heads; h++) {
      turn(key + h * size, cosine, sine, half, 1.0f);
      long at = row(t, h) + step.positions[t] * size;
      std::copy(key + h * size, key + (h + 1) * size, keys + at);
      std::copy(value + h * size, value + (h + 1) * size, values + at);
    }
  }
  long group = model.heads / model.key_heads, tasks = step.count * model.heads;
  auto past = [&](long task) {
    long t = task / model.heads, at = row(t, task % model.heads / group);
    return Past{keys + at, values + at, step.positions[t] + 1};
  };
#pragma omp parallel for schedule(dynamic, 4)
  for (long task = 0; task < tasks; task++) {
    long t = task / model.heads, head = task % model.heads;
    attend_head(qkv + t * width + head * size, past(task), past(std::min(task + 1, tasks - 1)), size,
                mixed + (t * model.heads + head) * size);
  }
}

// ---- the whole ----

thread_local std::vector<float> tiles_memory, work_memory;
thread_local RoundedMemory rounded_memory;

class Pass {
 public:
  Pass(const Model& model, const Step& step, float* states)
      : model_(model), step_(step), states_(states), pieces_(pieces_of(step)) {}

  void run() {
    const Model& model = model_;
    long count = step_.count, attended = model.heads * model.size;
    long wide = std::max((model.heads + 2 * model.key_heads) * model.size, 2 * model.inner);
    long narrow = std::max({model.hidden, attended, model.inner});
    work_memory.resize(std::max<size_t>(work_memory.size(), count * (wide + narrow)));
    float *outputs = work_memory.data(), *inputs = outputs + count * wide;
    for (long t = 0; t < count; t++) {
      const float* embedded = model.embedding + step_.tokens[t] * model.hidden;
      std::copy(embedded, embedded + model.hidden, states_ + t * model.hidden);
    }
    for (long layer = 0; layer < model.layer_count; layer++) {
      normalize(states_, model.layers[layer].attention_norm, inputs, count, model.hidden, model.epsilon);
      linear(layer, QKV, inputs, outputs);
      attend(model, step_, layer, outputs, inputs);
      linear(layer, OUTPUT, inputs, outputs);
      add(states_, outputs, count * model.hidden);
      normalize(states_, model.layers[layer].mlp_norm, inputs, count, model.hidden, model.epsilon);
      linear(layer, GATE_UP, inputs, outputs);
      swiglu(outputs, inputs, count, model.inner);
      linear(layer, DOWN, inputs, outputs);
      add(states_, outputs, count * model.hidden);
    }
  }

 private:
  void linear(long layer, Place place, const float* inputs, float* outputs) {
    const Matrix& matrix = model_.layers[layer].matrices[place];
    if (matrix.scales) multiply(RoundedTokens(inputs, step_.count, matrix.inputs, rounded_memory), matrix, outputs);
    if (matrix.scales && pieces_.empty()) return;
    Tiles tiles(inputs, step_.count, matrix.inputs, tiles_memory);
    if (!matrix.scales) multiply(tiles, matrix, outputs);
#pragma omp parallel for schedule(dynamic)
    for (size_t number = 0; number < pieces_.size(); number++) {
      const Piece& piece = pieces_[number];
      const Patch& patch = piece.slice->patches[layer * PLACES + place];
      if (patch.narrow.panels)
        add_patch(patch, piece.stop - piece.start, tiles.tile(piece.tile) + piece.start - piece.tile * TILE,
                  tiles.rows(piece.tile), outputs + piece.start * matrix.outputs, matrix.outputs);
    }
  }

  const Model& model_;
  const Step& step_;
  float* states_;
  std::vector<Piece> pieces_;
};

}  // namespace

// ---- what Python calls ----

extern "C" long lanes() { return LANES; }
extern "C" long group() { return GROUP; }

// Hidden states [count, hidden] before the last norm.
extern "C" void forward(const Model* model, const Step* step, float* states) { Pass(*model, *step, states).run(); }

// [count, inputs] -> [count, outputs]: one product as `forward` makes them.
extern "C" void product(const Matrix* matrix, const float* inputs, long count, float* into) {
  if (matrix->scales)
    multiply(RoundedTokens(inputs, count, matrix->inputs, rounded_memory), *matrix, into);
  else
    multiply(Tiles(inputs, count, matrix->inputs, tiles_memory), *matrix, into);
}

// [count, hidden] -> [count, vocabulary].
extern "C" void logits(const Model* model, const float* states, long count, float* into) {
  work_memory.resize(std::max<size_t>(work_memory.size(), count * model->hidden));
  normalize(states, model->norm, work_memory.data(), count, model->hidden, model->epsilon);
  product(&model->head, work_memory.data(), count, into);
}
