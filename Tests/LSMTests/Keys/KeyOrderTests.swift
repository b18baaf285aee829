import LSM
import TestSupport
import Testing

@Suite("Key order") struct KeyOrderTests {
  private static func compare(_ left: [UInt8], _ right: [UInt8]) -> Int {
    withBytes(left, right) { KeyOrder.compare($0, $1) }
  }

  private static func sign(_ left: [UInt8], _ right: [UInt8]) -> Int {
    left == right ? 0 : (left.lexicographicallyPrecedes(right) ? -1 : 1)
  }

  @Test(arguments: [0, 1, 7, 8, 9, 15, 16, 17, 63, 64, 65, 100])
  func seesADifferenceAtEveryPlace(length: Int) {
    let key = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 37) }
    #expect(Self.compare(key, key) == 0)
    #expect(Self.compare(key, key + [0]) < 0)
    #expect(Self.compare(key + [0], key) > 0)
    for place in 0..<length {
      for byte: UInt8 in [0x00, 0x7F, 0x80, 0xFF] where byte != key[place] {
        var other = key
        other[place] = byte
        #expect(Self.compare(key, other).signum() == Self.sign(key, other))
        #expect(Self.compare(other, key).signum() == Self.sign(other, key))
        #expect(withBytes(key, other) { KeyOrder.sharedLength($0, $1) } == place)
      }
    }
  }

  @Test(arguments: SeededGenerator.seeds)
  func agreesWithLexicographicalOrder(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<3000 {
      let left = random.key()
      let right = random.key()
      #expect(Self.compare(left, right).signum() == Self.sign(left, right))
      let shared = zip(left, right).prefix { $0 == $1 }.count
      #expect(withBytes(left, right) { KeyOrder.sharedLength($0, $1) } == shared)
      let prefixes = withBytes(left, right) { (KeyOrder.prefix(of: $0), KeyOrder.prefix(of: $1)) }
      if prefixes.0 != prefixes.1 {
        #expect((prefixes.0 < prefixes.1) == (Self.sign(left, right) < 0))
      }
    }
  }

  @Test func readsAPrefixAsABigEndianNumber() {
    #expect([UInt8]().withUnsafeBytes { KeyOrder.prefix(of: $0) } == 0)
    #expect(
      [0xAB].withUnsafeBytes { (bytes: UnsafeRawBufferPointer) in
        KeyOrder.prefix(of: UnsafeRawBufferPointer(rebasing: bytes[..<1]))
      } == 0xAB00_0000_0000_0000)
    let key: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8, 9]
    #expect(key.withUnsafeBytes { KeyOrder.prefix(of: $0) } == 0x0102_0304_0506_0708)
  }
}
