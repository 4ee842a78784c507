// Shots drawn from states, and how they are written: bits of a component in machine words.
#pragma once
#include <vector>

#include "state.hpp"

namespace coldplate {

// Elements that are asked for, and where their shots go.
struct Elements {
  const double *params;          // rows
  size_t columns;
  std::vector<size_t> row;       // of each element
  std::vector<size_t> shots;
  std::vector<size_t> offset;    // of its first shot in the output
  const double *values(size_t element) const { return params + row[element] * columns; }
};

// Elements that share a state before their last blocks, or a part of them: what each lane does.
using Shares = std::vector<std::vector<size_t>>;

// Groups of elements as shares, split where there are fewer groups than lanes that could work.
inline Shares shared_out(const std::vector<std::vector<size_t>> &groups, size_t wanted) {
  const size_t split = std::max<size_t>(1, wanted / std::max<size_t>(1, groups.size()));
  Shares found;
  for (const std::vector<size_t> &group : groups) {
    const size_t parts = std::min(split, group.size());
    for (size_t part = 0; part < parts; ++part) {
      found.emplace_back();
      for (size_t at = part; at < group.size(); at += parts) found.back().push_back(group[at]);
    }
  }
  return found;
}

class Writer {
 public:
  Writer(const Program &program, uint64_t seed, const Elements &elements, uint64_t *out)
      : program_(program), seed_(seed), elements_(elements), out_(out), words_(program.num_words()) {
    const size_t tables = (size_t(program.source.num_qubits) + 7) / 8;
    table_.assign(tables * 256 * words_, 0);
    for (size_t at = 0; at < program.final_qubits.size(); ++at) {
      const int qubit = program.final_qubits[at], bit = program.final_bits[at];
      for (size_t value = 0; value < 256; ++value)
        if (value >> (qubit & 7) & 1) table_[((qubit >> 3) * 256 + value) * words_ + bit / 64] ^= uint64_t(1) << (bit & 63);
      const double *readout = &program.source.readout[2 * bit];
      if (readout[0] > 0 || readout[1] > 0) misread_.push_back(bit);
    }
  }

  // One shot: the outcome of the last measurements, and bits that were measured before.
  void write(size_t element, size_t shot, uint64_t outcome, const std::vector<uint8_t> *bits = nullptr) {
    uint64_t *to = out_ + (elements_.offset[element] + shot) * words_;
    for (size_t word = 0; word < words_; ++word) to[word] = 0;
    if (bits)
      for (size_t bit = 0; bit < bits->size(); ++bit) to[bit / 64] |= uint64_t((*bits)[bit]) << (bit & 63);
    if (bits)
      for (int bit : program_.final_bits) to[bit / 64] &= ~(uint64_t(1) << (bit & 63));
    for (size_t byte = 0; byte * 256 * words_ < table_.size(); ++byte) {
      const uint64_t *row = &table_[(byte * 256 + (outcome >> (8 * byte) & 255)) * words_];
      for (size_t word = 0; word < words_; ++word) to[word] |= row[word];
    }
    if (misread_.empty()) return;
    Stream draws = Streams(seed_, element, Purpose::readout).shot(shot);
    for (int bit : misread_) {
      const bool is = to[bit / 64] >> (bit & 63) & 1;
      if (draws.uniform() < program_.source.readout[2 * bit + is]) to[bit / 64] ^= uint64_t(1) << (bit & 63);
    }
  }

 private:
  const Program &program_;
  uint64_t seed_;
  const Elements &elements_;
  uint64_t *out_;
  size_t words_;
  std::vector<uint64_t> table_;
  std::vector<int> misread_;
};

// Cumulative weights with a guide: the place where the search for u begins (Chen and Asau, 1974).
class Guide {
 public:
  // weights: cumulative, `stride` apart.
  void build(const double *cumulative, size_t size, size_t stride) {
    cumulative_ = cumulative, size_ = size, stride_ = stride;
    total_ = cumulative[(size - 1) * stride];
    start_.resize(size + 1);
    size_t k = 0;
    for (size_t cell = 0; cell <= size; ++cell) {
      const double edge = total_ * (double(cell) / double(size));
      while (k + 1 < size && cumulative[k * stride] <= edge) ++k;
      start_[cell] = uint32_t(k);
    }
  }
  size_t draw(double u) const {
    size_t k = start_[size_t(u * double(size_))];
    const double x = u * total_;
    while (k + 1 < size_ && cumulative_[k * stride_] <= x) ++k;
    while (k > 0 && cumulative_[(k - 1) * stride_] > x) --k;  // an edge that was rounded
    return k;
  }

 private:
  const double *cumulative_ = nullptr;
  size_t size_ = 0, stride_ = 1;
  double total_ = 0;
  std::vector<uint32_t> start_;
};

constexpr size_t GUIDED = 1 << 13;  // amplitudes, up to which cumulative weights are kept whole

// Draws shots from every lane of a state.
template <class R, Layout L> class Sampler {
 public:
  using Wanted = std::vector<std::pair<size_t, double>>;  // shots, and a uniform number for each

  // expected: shots of a lane; for a few, no guide is made.
  Sampler(State<R, L> &state, Work &work, size_t expected) : state_(state), work_(work) {
    guided_ = L == Layout::batch && state.size() <= GUIDED;
    if (guided_) accumulate(expected * 8 >= state.size());
    else sum_parts();
  }

  // give(shot, outcome)
  template <class F> void draw(int lane, const Wanted &wanted, F &&give) {
    if (wanted.empty()) return;
    if (!guided_) return by_parts(lane, wanted, give);
    const double *own = &cumulative_[size_t(lane)];
    const double total = own[(state_.size() - 1) * W];
    for (const auto &[shot, u] : wanted) give(shot, guides_.empty() ? search(own, state_.size(), W, u * total) : guides_[lane].draw(u));
  }

 private:
  static constexpr size_t PART = L == Layout::batch ? 256 : 64;
  static constexpr int W = width<R>;
  State<R, L> &state_;
  Work &work_;
  bool guided_;
  std::vector<double> cumulative_;  // of all lanes; or sums of parts
  std::vector<Guide> guides_;

  static Vec<R> weight(const Amplitude<R> &one) { return one.re * one.re + one.im * one.im; }

  void accumulate(bool with_guides) {
    const size_t size = state_.size();
    cumulative_.resize(size * W);
    double sum[W] = {};
    for (size_t k = 0; k < size; ++k) {
      const Vec<R> p = weight(state_.data()[k]);
      for (int lane = 0; lane < W; ++lane) cumulative_[k * W + lane] = sum[lane] += double(p[lane]);
    }
    if (!with_guides) return;
    guides_.resize(W);
    for (int lane = 0; lane < W; ++lane)
      if (state_.trajectories[lane].used) guides_[lane].build(&cumulative_[lane], size, W);
  }

  static double sum_lanes(Vec<R> p) {
    double sum = 0;
    for (int lane = 0; lane < W; ++lane) sum += double(p[lane]);
    return sum;
  }

  // The lane in which a vector's cumulative weight passes x.
  static size_t within(Vec<R> p, double x) {
    int lane = 0;
    for (double sum = p[0]; lane + 1 < W && sum <= x; sum += double(p[lane])) ++lane;
    while (lane > 0 && p[lane] == 0) --lane;  // an edge that was rounded
    return size_t(lane);
  }

  // The first whose cumulative weight is above x.
  static size_t search(const double *cumulative, size_t size, size_t stride, double x) {
    size_t low = 0, high = size - 1;
    while (low < high) {
      const size_t middle = (low + high) / 2;
      if (cumulative[middle * stride] > x) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  // Where states are large: sums of parts first, then each part once, for all shots that fall into it.
  void sum_parts() {
    const size_t size = state_.size(), parts = (size + PART - 1) / PART;
    cumulative_.resize(parts * W);
    state_.in_parts(parts, [&](size_t from, size_t to) {
      for (size_t part = from; part < to; ++part) {
        double sum[W] = {};
        for (size_t k = part * PART; k < std::min(size, (part + 1) * PART); ++k) {
          const Vec<R> p = weight(state_.data()[k]);
          for (int lane = 0; lane < W; ++lane) sum[lane] += double(p[lane]);
        }
        for (int lane = 0; lane < W; ++lane) cumulative_[part * W + lane] = sum[lane];
        if (part % 64 == 0) work_.check();
      }
    });
  }

  template <class F> void by_parts(int lane, const Wanted &wanted, F &give) {
    constexpr bool batch = L == Layout::batch;
    const size_t size = state_.size(), parts = cumulative_.size() / W;
    std::vector<double> upto(parts);
    double total = 0;
    for (size_t part = 0; part < parts; ++part) {
      for (int own = batch ? lane : 0; own < (batch ? lane + 1 : W); ++own) total += cumulative_[part * W + own];
      upto[part] = total;
    }
    std::vector<std::pair<uint32_t, uint32_t>> order(wanted.size());  // part, place in wanted
    for (size_t at = 0; at < wanted.size(); ++at) order[at] = {uint32_t(search(upto.data(), parts, 1, wanted[at].second * total)), uint32_t(at)};
    std::sort(order.begin(), order.end());
    double inside[PART];  // cumulative weights of the part's amplitudes, or of its vectors of them
    size_t loaded = SIZE_MAX, count = 0;
    for (const auto &[part, at] : order) {
      const size_t first = size_t(part) * PART;
      if (part != loaded) {
        loaded = part;
        count = std::min(size, first + PART) - first;
        double sum = part ? upto[part - 1] : 0;
        for (size_t k = 0; k < count; ++k) {
          const Vec<R> p = weight(state_.data()[first + k]);
          if (batch) sum += double(p[lane]);
          else sum += sum_lanes(p);
          inside[k] = sum;
        }
        work_.check();
      }
      const double x = wanted[at].second * total;
      size_t k = search(inside, count, 1, x);
      if (!batch) k = k * W + within(weight(state_.data()[first + k]), x - (k ? inside[k - 1] : part ? upto[part - 1] : 0));
      give(wanted[at].first, first * (batch ? 1 : W) + k);
    }
  }
};

}  // namespace coldplate
