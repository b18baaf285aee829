import LSM
import TestSupport
import Testing

@Suite("Internal key") struct InternalKeyTests {
  @Test(arguments: SeededGenerator.seeds)
  func ordersByKeyThenNewestFirst(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    let entries = random.entries(300)
    for left in entries {
      let right = entries.randomElement(using: &random) ?? left
      let order = left.withKey { left in right.withKey { InternalKey.compare(left, $0) } }
      #expect(order.signum() == (left == right ? 0 : (left < right ? -1 : 1)))
    }
  }

  @Test func seeksBetweenTheNewerAndTheVisibleEntries() {
    let older = Entry([1], 4)
    let at = Entry([1], 5, .tombstone)
    let newer = Entry([1], 6)
    [1].withUnsafeBytes { (bytes: UnsafeRawBufferPointer) in
      let key = UnsafeRawBufferPointer(rebasing: bytes[..<1])
      let seek = InternalKey.seeking(key, at: SequenceNumber(rawValue: 5))
      #expect(newer.withKey { $0 < seek })
      #expect(at.withKey { seek < $0 })
      #expect(older.withKey { seek < $0 })
      #expect(newer.withKey { InternalKey.first(of: key) < $0 })
      #expect(seek.kind == nil)
    }
  }

  @Test func encodesItsKeyThenALittleEndianTrailer() {
    let encoded = Entry([0x61, 0x62], 0x0102_0304_0506_07).withKey { $0.encoded() }
    #expect(encoded == [0x61, 0x62, 0x01, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01])
    encoded.withUnsafeBytes {
      let key = InternalKey(encoded: $0)
      #expect(key?.sequence.rawValue == 0x0102_0304_0506_07)
      #expect(key?.kind == .value)
      #expect(key.map { Array($0.userKey) } == [0x61, 0x62])
    }
  }

  @Test func refusesShortKeysAndUnknownKinds() {
    for length in 0..<8 {
      let bytes = [UInt8](repeating: 0, count: length)
      #expect(bytes.withUnsafeBytes { InternalKey(encoded: $0) == nil })
    }
    for kind in 3...UInt8.max {
      let bytes: [UInt8] = [0x61, kind, 0, 0, 0, 0, 0, 0, 0]
      #expect(bytes.withUnsafeBytes { InternalKey(encoded: $0) == nil })
    }
  }

  @Test func decodesTheEndOfARangeDeletion() {
    let bytes = [0x61] + [UInt8](repeating: 0xFF, count: 8)
    bytes.withUnsafeBytes {
      let key = InternalKey(encoded: $0)
      #expect(key?.kind == nil)
      #expect(key?.trailer == .max)
    }
  }

  @Test func keepsFiftySixBitsOfASequenceNumber() {
    #expect(SequenceNumber.maximum.rawValue == 0x00FF_FFFF_FFFF_FFFF)
    Entry([], SequenceNumber.maximum.rawValue).withKey {
      #expect($0.sequence == .maximum)
      #expect($0.trailer == 0xFFFF_FFFF_FFFF_FF01)
    }
  }
}
