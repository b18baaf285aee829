import Testing
import Wire

private let second: UInt64 = 1_000_000_000

@Suite("Limits of slow and busy clients, by the clock") struct ClientLimitTests {
  @Test func holdsWhatItsCapacityIsAndLeaksWithTime() {
    var bucket = LeakyBucket(capacity: 10, leakPerSecond: 4)
    for _ in 0..<10 { #expect(bucket.fill() == true) }
    #expect(bucket.fill() == false)
    bucket.leak(second)
    for _ in 0..<3 { #expect(bucket.fill() == true) }
    #expect(bucket.fill() == false)
    bucket.leak(.max)
    for _ in 0..<10 { #expect(bucket.fill() == true) }
    #expect(bucket.fill() == false)
  }

  @Test func endsClientsThatDoNotAcknowledgeOurSettings() {
    var limit = OpeningLimit(now: 0)
    #expect(limit.look(now: 10 * second - 1, mayBeUnacknowledged: false, headerBlock: nil) == .none)
    #expect(limit.look(now: 60 * second, mayBeUnacknowledged: true, headerBlock: nil) == .none)
    #expect(limit.look(now: 69 * second, mayBeUnacknowledged: false, headerBlock: nil) == .none)
    #expect(
      limit.look(now: 70 * second, mayBeUnacknowledged: false, headerBlock: nil) == .endForSettings)
  }

  @Test func endsClientsWithAHeaderBlockThatDoesNotEnd() {
    var limit = OpeningLimit(now: 0)
    for time in UInt64(1)...30 {
      // Another block each time.
      #expect(
        limit.look(now: time * second, mayBeUnacknowledged: true, headerBlock: Int(time)) == .none)
    }
    #expect(limit.look(now: 39 * second, mayBeUnacknowledged: true, headerBlock: 30) == .none)
    #expect(
      limit.look(now: 40 * second, mayBeUnacknowledged: true, headerBlock: 30) == .endForHeaders)
  }

  /// Bytes a second, and whether a call that moves so fast is ended.
  @Test(arguments: [(0, true), (1, true), (1000, true), (1024, false), (5000, false)])
  func endsCallsThatMoveTooSlowly(_ bytesPerSecond: Int, _ isEnded: Bool) {
    var limit = RateLimit()
    var hasEnded = false
    for time in 0..<300 {
      hasEnded =
        limit.isTooSlow(
          progress: time * bytesPerSecond, of: 1, now: UInt64(time) * second) || hasEnded
    }
    #expect(hasEnded == isEnded)
  }

  @Test func watchesEachCallFromItsBeginning() {
    var limit = RateLimit()
    for call in 1...10 {
      let began = UInt64(call) * 20
      #expect(limit.isTooSlow(progress: 0, of: call, now: began * second) == false)
      #expect(limit.isTooSlow(progress: 0, of: call, now: (began + 19) * second) == false)
    }
    limit.stop()
    #expect(limit.isTooSlow(progress: 0, of: 10, now: 1000 * second) == false)
    #expect(limit.isTooSlow(progress: 0, of: 10, now: 1030 * second) == true)
  }
}
