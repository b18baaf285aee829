import Histogram

/// How long each operation of a loop took, and how many ended in each tenth of a second.
///
/// Durations are kept in an HDR histogram with two significant digits: a percentile is right to 1 %, and a
/// record costs a few nanoseconds whatever the duration.
package struct LoopTimes: Sendable {
  /// Unit: nanoseconds.
  package static let stepLength: UInt64 = 100_000_000
  /// Longer durations count as this one. Unit: nanoseconds.
  private static let longest: UInt64 = 600_000_000_000

  private var histogram = Histogram<UInt64>(
    highestTrackableValue: Self.longest, numberOfSignificantValueDigits: .two)
  package private(set) var startedAt: UInt64
  package private(set) var endedAt: UInt64
  /// Operations of the steps that are over.
  private var steps: [Int] = []
  private var countBeforeStep = 0
  private var stepEnd: UInt64

  /// - Parameter startedAt: on the monotonic clock, in nanoseconds.
  package init(startedAt: UInt64) {
    self.startedAt = startedAt
    endedAt = startedAt
    stepEnd = startedAt + Self.stepLength
  }

  /// Operations that ended late: their durations count, but not they.
  private var lateCount = 0

  package var count: Int { Int(truncatingIfNeeded: histogram.totalCount) - lateCount }

  /// From the start to the end of the last operation, or to that of the window.
  package var seconds: Double { Double(endedAt - startedAt) / 1e9 }

  /// - Parameter now: not before that of the call before.
  @inline(__always)
  package mutating func record(_ nanoseconds: UInt64, endedAt now: UInt64) {
    if now >= stepEnd { endSteps(before: now) }
    histogram.record(min(nanoseconds, Self.longest))
    endedAt = now
  }

  @inline(never)
  private mutating func endSteps(before now: UInt64) {
    while now >= stepEnd {
      steps.append(count - countBeforeStep)
      countBeforeStep = count
      stepEnd += Self.stepLength
    }
  }

  /// Ends a window of time: what comes until its end counts to it, silence too.
  package mutating func endWindow(at end: UInt64) {
    guard end > endedAt else { return }
    if end >= stepEnd { endSteps(before: end) }
    endedAt = end
  }

  /// The duration of an operation that had begun when the window ended: leaving it out would hide the longest.
  package mutating func recordLate(_ nanoseconds: UInt64) {
    lateCount += 1
    histogram.record(min(nanoseconds, Self.longest))
  }

  /// Adds what another thread measured beside this one, or another kind of operation.
  package mutating func merge(_ other: LoopTimes) {
    // Of the longer loop the last step has not ended; the shorter one's last step may lie within it.
    let wholeCount = max(steps.count, other.steps.count)
    let own = steps + [count - countBeforeStep]
    let others = other.steps + [other.count - other.countBeforeStep]
    steps = (0..<wholeCount).map { index in
      (index < own.count ? own[index] : 0) + (index < others.count ? others[index] : 0)
    }
    histogram.add(other.histogram)
    lateCount += other.lateCount
    countBeforeStep = steps.reduce(0, +)
    startedAt = min(startedAt, other.startedAt)
    stepEnd = startedAt + UInt64(wholeCount + 1) * Self.stepLength
    endedAt = max(endedAt, other.endedAt)
  }

  /// The operations of each step, the last one cut short; nil when the loop was too short for a picture.
  ///
  /// - Parameter factor: what an operation stands for, such as the records of a batch.
  package func timeline(factor: Double) -> [Int]? {
    steps.count < 5
      ? nil : (steps + [count - steps.reduce(0, +)]).map { Int((Double($0) * factor).rounded()) }
  }

  package var latency: Latency {
    Latency(
      curve: Latency.fractions.map { fraction in
        Double(histogram.valueAtPercentile(fraction * 100))
      })
  }
}
