import Engine
import Records
import Testing

@Suite("Key prefix")
struct KeyPrefixTests {
  let prefix = KeyPrefix(.record, model: 0x0102_0304)

  @Test func beginsWithKindAndBigEndianModel() {
    #expect(prefix.bytes == [1, 1, 2, 3, 4])
    #expect(prefix.key([9, 8]) == [1, 1, 2, 3, 4, 9, 8])
  }

  @Test(arguments: [0, 1, 40, 5000])
  func joinsPrefixAndKeyOnTheStack(length: Int) throws {
    let key = [UInt8](repeating: 0xab, count: length)
    var joined: [UInt8] = []
    key.withUnsafeBytes { prefix.withKey($0) { joined = Array($0) } }
    #expect(joined == prefix.key(key))
  }

  @Test func readsThePrefixOfAStoredKey() {
    #expect(prefix.key([7]).withUnsafeBytes { KeyPrefix(of: $0) } == prefix)
    #expect(([1, 2, 3, 4] as [UInt8]).withUnsafeBytes { KeyPrefix(of: $0) } == nil)
    #expect(([9, 0, 0, 0, 0] as [UInt8]).withUnsafeBytes { KeyPrefix(of: $0) } == nil)
  }

  @Test(arguments: [0, 1, 0xff, 0xffff, 0xffff_fffe, .max] as [UInt32], KeyKind.allCases)
  func rangesNeverLeaveTheModel(model: UInt32, kind: KeyKind) {
    let prefix = KeyPrefix(kind, model: model)
    let keys: [[UInt8]] = [[], [0], [0x61], [0xff], [0xff, 0xff]]
    for key in keys {
      let ranges = [
        prefix.all, prefix.atLeast(key: key), prefix.atMost(key: key), prefix.beginning(key: key),
        prefix.above(key: key), prefix.below(key: key),
      ]
      for range in ranges {
        #expect(range.upper != nil, "a range delete needs an end")
        for other in KeyKind.allCases {
          for neighbour in [model &- 1, model, model &+ 1] where other != kind || neighbour != model
          {
            for stored in keys.map(KeyPrefix(other, model: neighbour).key) {
              #expect(!range.contains(stored), "\(range) of \(prefix) holds \(stored)")
            }
          }
        }
      }
    }
  }

  @Test func rangesHoldWhatTheirNamesSay() {
    let keys = ["a", "ab", "b", "\u{7f}"].map { Array($0.utf8) } + [[], [0xff], [0x61, 0]]
    for bound in keys {
      for key in keys {
        let stored = prefix.key(key)
        #expect(prefix.all.contains(stored))
        let (isBelow, isAbove) = (
          key.lexicographicallyPrecedes(bound), bound.lexicographicallyPrecedes(key)
        )
        #expect(prefix.atLeast(key: bound).contains(stored) == !isBelow)
        #expect(prefix.atMost(key: bound).contains(stored) == !isAbove)
        #expect(prefix.above(key: bound).contains(stored) == isAbove)
        #expect(prefix.below(key: bound).contains(stored) == isBelow)
        #expect(prefix.beginning(key: bound).contains(stored) == key.starts(with: bound))
      }
    }
  }
}

extension KeyPrefix {
  func atLeast(key: [UInt8]) -> KeyRange { key.withUnsafeBytes { atLeast($0) } }
  func atMost(key: [UInt8]) -> KeyRange { key.withUnsafeBytes { atMost($0) } }
  func above(key: [UInt8]) -> KeyRange {
    key.withUnsafeBytes { range(lower: $0, isIncluded: false) }
  }
  func below(key: [UInt8]) -> KeyRange {
    key.withUnsafeBytes { range(upper: $0, isIncluded: false) }
  }
  func beginning(key: [UInt8]) -> KeyRange { key.withUnsafeBytes { beginning(with: $0) } }
}
