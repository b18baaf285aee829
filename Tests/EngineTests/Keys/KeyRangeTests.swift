import Engine
import Testing

@Suite("Key range")
struct KeyRangeTests {
  @Test(arguments: [
    ([0x61], [0x62] as [UInt8]?),
    ([0x61, 0xff], [0x62]),
    ([0x61, 0xff, 0xff], [0x62]),
    ([0x00], [0x01]),
    ([0x61, 0x00], [0x61, 0x01]),
    ([0xfe], [0xff]),
    ([0xff], nil),
    ([0xff, 0xff], nil),
    ([], nil),
  ])
  func prefixEndsAtTheNextKeyWithoutIt(prefix: [UInt8], end: [UInt8]?) {
    #expect(KeyRange.prefix(prefix) == KeyRange(lower: prefix, upper: end))
  }

  @Test func prefixHoldsExactlyTheKeysThatBeginWithIt() {
    let bytes: [UInt8] = [0x00, 0x01, 0x7f, 0xfe, 0xff]
    var keys: [[UInt8]] = [[]]
    for first in bytes {
      keys.append([first])
      for second in bytes {
        keys.append([first, second])
        for third in bytes { keys.append([first, second, third]) }
      }
    }
    for prefix in keys {
      let range = KeyRange.prefix(prefix)
      for key in keys {
        #expect(range.contains(key) == key.starts(with: prefix), "\(prefix) and \(key)")
      }
    }
  }

  @Test func upToIncludesTheKeyAndNoLongerOne() {
    let range = KeyRange.upTo(including: [0x61])
    #expect(range.contains([]))
    #expect(range.contains([0x60, 0xff]))
    #expect(range.contains([0x61]))
    #expect(!range.contains([0x61, 0x00]))
    #expect(!range.contains([0x62]))
  }

  @Test func fromIncludesTheKeyAndEverythingBehindIt() {
    let range = KeyRange.from([0x61])
    #expect(!range.contains([0x60, 0xff]))
    #expect(range.contains([0x61]))
    #expect(range.contains([0x61, 0x00]))
    #expect(range.contains([0xff, 0xff]))
  }

  @Test(arguments: [
    (KeyRange.all, false),
    (KeyRange(lower: [1], upper: [1]), true),
    (KeyRange(lower: [2], upper: [1]), true),
    (KeyRange(lower: [1], upper: [1, 0]), false),
    (KeyRange(lower: [], upper: []), true),
  ])
  func isEmptyWhenTheEndIsNotBehindTheStart(range: KeyRange, isEmpty: Bool) {
    #expect(range.isEmpty == isEmpty)
  }
}
