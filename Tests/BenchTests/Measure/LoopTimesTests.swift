import Testing
import seandb_bench

@Suite("Times of a loop")
struct LoopTimesTests {
  private static let start: UInt64 = 5_000_000_000

  /// A loop with an operation every `interval`, each that long.
  private func loop(interval: UInt64, count: Int) -> LoopTimes {
    var times = LoopTimes(startedAt: Self.start)
    for index in 1...count {
      times.record(interval, endedAt: Self.start + UInt64(index) * interval)
    }
    return times
  }

  @Test func tellsDurationsAndSteps() throws {
    // 10 ms each, for 1.005 s: ten whole steps, and one that has not ended.
    var times = loop(interval: 10_000_000, count: 100)
    times.record(5_000_000, endedAt: Self.start + 1_005_000_000)
    #expect(times.count == 101)
    #expect(times.seconds == 1.005)
    let steps = try #require(times.timeline(factor: 1))
    // What ends right at a step's end belongs to the next one; the last step is cut short.
    #expect(steps == [9] + [Int](repeating: 10, count: 9) + [2])
    #expect(times.timeline(factor: 3)?.first == 27)
    #expect(abs(times.latency.median / 10_000_000 - 1) < 0.02)
    #expect(abs(times.latency.maximum / 10_000_000 - 1) < 0.02)
  }

  @Test func keepsNoTimelineOfAShortLoop() {
    #expect(loop(interval: 10_000_000, count: 40).timeline(factor: 1) == nil)
  }

  @Test func mergesLoopsThatRanBesideEachOther() throws {
    var times = loop(interval: 10_000_000, count: 101)
    let before = try #require(times.timeline(factor: 1))
    // It ends in the middle of the seventh step.
    times.merge(loop(interval: 50_000_000, count: 13))
    #expect(times.count == 114)
    #expect(times.seconds == 1.01)
    #expect(times.startedAt == Self.start)
    let added = [1, 2, 2, 2, 2, 2, 2, 0, 0, 0, 0]
    #expect(times.timeline(factor: 1) == zip(before, added).map { $0 + $1 })
    #expect(abs(times.latency.median / 10_000_000 - 1) < 0.02)
    #expect(abs(times.latency.maximum / 50_000_000 - 1) < 0.02)
  }

  @Test func mergesTheSameWhicheverComesFirst() {
    let short = loop(interval: 50_000_000, count: 13)
    let long = loop(interval: 10_000_000, count: 101)
    var first = short
    first.merge(long)
    var second = long
    second.merge(short)
    #expect(first.timeline(factor: 1) == second.timeline(factor: 1))
    #expect(first.count == second.count)
    #expect(first.seconds == second.seconds)
    #expect(first.latency.curve == second.latency.curve)
  }

  @Test func goesOnAfterAMerge() {
    var merged = loop(interval: 10_000_000, count: 101)
    merged.merge(loop(interval: 10_000_000, count: 101))
    merged.record(10_000_000, endedAt: Self.start + 1_250_000_000)
    #expect(merged.timeline(factor: 1) == [18] + [Int](repeating: 20, count: 9) + [4, 0, 1])
  }
}
