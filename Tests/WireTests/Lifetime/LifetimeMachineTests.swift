import Testing
import Wire

private let second: UInt64 = 1_000_000_000

/// Every machine on a clock of the test's own; times in seconds.
@Suite("Keepalive, age, drain and end, by the clock") struct LifetimeMachineTests {
  // MARK: - PINGs of a client

  /// When PINGs come (negative: an answer is sent then), and whether the client may go on after the last one.
  @Test(
    arguments: [
      ([1, 2, 3], true), ([1, 2, 3, 4], false), ([1, 11, 21, 31, 41, 51], true),
      // Strikes stay when the PINGs become rarer.
      ([1, 2, 3, 30, 60, 61], false), ([1, 2, 3, 30, 60, 90], true),
      // One of a clock that goes by ten seconds, and a network that does not.
      ([1, 11, 20, 30, 39, 49, 58, 68], true),
      // Any answer forgives.
      ([1, 2, 3, -3, 3, 4, 5], true), ([1, 2, 3, -3, 4, 5, 6, 7], false),
      ([1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1], true),
    ] as [([Int], Bool)])
  func strikesClientsThatPingTooOften(_ times: [Int], _ mayGoOn: Bool) {
    var strikes = PingStrikes()
    var result = true
    for time in times {
      if time < 0 {
        strikes.answered()
      } else {
        result = strikes.pinged(now: UInt64(time) * second)
      }
    }
    #expect(result == mayGoOn)
  }

  // MARK: - PINGs of the server

  @Test func asksASilentClientAndEndsADeadOne() {
    var keepalive = Keepalive(time: 300 * second, timeout: 20 * second, now: 0)
    #expect(keepalive.look(now: 299 * second, hasHeard: false) == .none)
    #expect(keepalive.look(now: 300 * second, hasHeard: false) == .ping)
    #expect(keepalive.look(now: 301 * second, hasHeard: false) == .none)
    #expect(keepalive.look(now: 319 * second, hasHeard: false) == .none)
    #expect(keepalive.look(now: 320 * second, hasHeard: false) == .close)
  }

  @Test func keepsAClientThatSaysAnything() {
    var keepalive = Keepalive(time: 300 * second, timeout: 20 * second, now: 0)
    #expect(keepalive.look(now: 300 * second, hasHeard: false) == .ping)
    #expect(keepalive.look(now: 310 * second, hasHeard: true) == .none)
    #expect(keepalive.look(now: 609 * second, hasHeard: false) == .none)
    #expect(keepalive.look(now: 610 * second, hasHeard: false) == .ping)
  }

  @Test func asksNobodyWhenItIsOff() {
    var keepalive = Keepalive(time: .max, timeout: 20 * second, now: 0)
    #expect(keepalive.look(now: .max - 1, hasHeard: false) == .none)
  }

  // MARK: - Idle and age

  @Test func drainsAConnectionThatIsIdleForTooLong() {
    var age = ConnectionAge(idle: 60 * second, age: .max, grace: .max, jitter: 1, now: 0)
    #expect(age.look(now: 50 * second, hasCalls: true) == .none)
    #expect(age.look(now: 109 * second, hasCalls: false) == .none)
    #expect(age.look(now: 110 * second, hasCalls: false) == .drain(.idle))
    #expect(age.look(now: 500 * second, hasCalls: false) == .none)
  }

  @Test(arguments: [0.9, 1, 1.1])
  func drainsAConnectionThatIsTooOldAndEndsItsCallsAfterTheGrace(_ jitter: Double) {
    var age = ConnectionAge(
      idle: .max, age: 100 * second, grace: 30 * second, jitter: jitter, now: 0)
    let old = UInt64(100 * jitter) * second
    #expect(age.look(now: old - 2, hasCalls: true) == .none)
    #expect(age.look(now: old, hasCalls: true) == .drain(.age))
    #expect(age.look(now: old + 30 * second - 2, hasCalls: true) == .none)
    #expect(age.look(now: old + 30 * second, hasCalls: true) == .close)
  }

  @Test func keepsConnectionsWithoutLimits() {
    var age = ConnectionAge(idle: .max, age: .max, grace: .max, jitter: 1, now: 0)
    #expect(age.look(now: .max - 1, hasCalls: false) == .none)
  }

  @Test func letsCallsOfAnOldConnectionRunOnWithoutAGrace() {
    var age = ConnectionAge(idle: .max, age: second, grace: .max, jitter: 1, now: 0)
    #expect(age.look(now: second, hasCalls: true) == .drain(.age))
    #expect(age.look(now: .max - 1, hasCalls: true) == .none)
  }

  // MARK: - Drain

  @Test func namesTheLastStreamWhenTheClientHasReadTheFirstGoAway() {
    var drain = ConnectionDrain()
    #expect(drain.acknowledged() == false)
    #expect(drain.begin(.shutdown, now: 0) == true)
    #expect(drain.begin(.shutdown, now: 1) == false)
    #expect(drain.look(now: 4 * second) == false)
    #expect(drain.acknowledged() == true)
    #expect(drain.acknowledged() == false)
    #expect(drain.look(now: 10 * second) == false)
  }

  @Test func namesTheLastStreamOfASilentClientAfterFiveSeconds() {
    var drain = ConnectionDrain()
    #expect(drain.begin(.age, now: 0) == true)
    #expect(drain.look(now: 5 * second - 1) == false)
    #expect(drain.look(now: 5 * second) == true)
    #expect(drain.look(now: 6 * second) == false)
    #expect(drain.acknowledged() == false)
  }

  @Test func endsAConnectionForTheStrongerReason() {
    var drain = ConnectionDrain()
    #expect(drain.begin(.idle, now: 0) == true)
    #expect(drain.begin(.shutdown, now: 1) == false)
    #expect(drain.reason == .shutdown)
    #expect(drain.begin(.age, now: 2) == false)
    #expect(drain.reason == .shutdown)
  }

  // MARK: - The end

  @Test func waitsUntilTheClientHasReadAll() {
    var linger = Linger()
    #expect(linger.end(now: 0, mayBeUnread: true, isAbrupt: false) == .ask)
    #expect(!linger.isShut)
    #expect(linger.end(now: 1, mayBeUnread: true, isAbrupt: false) == .none)
    #expect(linger.look(now: 9 * second) == .none)
    #expect(linger.end(now: 9 * second, mayBeUnread: false, isAbrupt: false) == .shut)
    #expect(linger.isShut)
    #expect(linger.look(now: 10 * second) == .none)
    linger.didShut(now: 10 * second)
    #expect(linger.look(now: 11 * second - 1) == .none)
    #expect(linger.look(now: 11 * second) == .close)
    #expect(linger.look(now: 100 * second) == .none)
  }

  @Test(arguments: 1...20)
  func findsTheAnswerToTheLastPingHoweverTheBytesAreCut(_ step: Int) {
    let data: UInt64 = 0x0102_0304_0506_0708
    var answer = FarewellPing(data: data).frame
    #expect(answer == [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8])
    answer[4] = 1
    var other = answer
    other[16] = 9
    let cases: [([UInt8], Bool)] = [
      ([0, 0, 0, 0] + answer + [0, 0, 8], true), (other + other, false),
      (Array(answer.dropLast()), false), (Array(other.dropLast()) + answer, true),
    ]
    for (bytes, isAnswer) in cases {
      var ping = FarewellPing(data: data)
      var rest = bytes[...]
      var isFound = false
      while !rest.isEmpty {
        isFound = ping.isAnswered(by: Array(rest.prefix(step))) || isFound
        rest = rest.dropFirst(step)
      }
      #expect(isFound == isAnswer)
    }
  }

  @Test func waitsForNobodyForEver() {
    var linger = Linger()
    #expect(linger.end(now: 0, mayBeUnread: true, isAbrupt: false) == .ask)
    #expect(linger.look(now: Linger.askTime) == .shut)
    #expect(linger.look(now: Linger.askTime + Linger.shutTime - 1) == .none)
    #expect(linger.look(now: Linger.askTime + Linger.shutTime) == .close)
  }

  @Test func waitsLessForClientsThatAreClosedForWhatTheyDid() {
    var linger = Linger()
    #expect(linger.end(now: 0, mayBeUnread: false, isAbrupt: true) == .shut)
    #expect(linger.look(now: Linger.shortShutTime) == .close)
  }
}
