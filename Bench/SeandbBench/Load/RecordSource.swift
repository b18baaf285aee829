package import Bytes
import Glibc

// SAFETY: buffers are filled and read within their size, and lent until the closure returns; every range of a record is
// below its count, which is checked first.

/// The records of the load: a `Dog` of the seed's `database.proto`, all of the same length, that says by itself
/// whose record it is.
///
///     field 1, pk      "DOG#" and the index in 12 decimal digits
///     field 2, name    8 hexadecimal digits of mix(index), then text that compresses to about half
///     field 3, age     1
///     field 4, breed   "mongrel!"
///
/// With groups, for indexes, these are its last fields instead:
///
///     field 3, age     the generation: 1, and after a change another number up to 127
///     field 4, breed   8 hexadecimal digits of the group and the generation
///     field 5, chip    16 hexadecimal digits of mix(index)
///
/// Thread-safety: immutable.
package struct RecordSource: Sendable {
  package static let keyByteCount = 16
  package static let keyDigitCount = 12
  /// The range of a record's length in bytes.
  package static let byteCountRange = 40...(1 << 20)
  /// The shortest record with groups.
  package static let leastGroupedByteCount = 60

  private static let prefix = Array("DOG#".utf8)
  private static let markByteCount = 8
  private static let textByteCount = 1 << 16
  /// Age and breed.
  private static let plainTail: [UInt8] = [0x18, 1, 0x22, 8] + Array("mongrel!".utf8)
  /// Tags, lengths, age, breed and chip.
  private static let groupedTailByteCount = 2 + 2 + 8 + 2 + 16

  package let byteCount: Int
  /// Nil: all have the same age and breed, and no chip.
  package let groups: RecordGroups?
  /// Of the last fields.
  private let tailByteCount: Int
  private let nameByteCount: Int
  /// The name's tag and length.
  private let nameHead: [UInt8]
  private let text: [UInt8]

  /// - Parameter byteCount: lies in ``byteCountRange``, and with groups is ``leastGroupedByteCount`` at least. A record
  ///   may be one or two bytes shorter, where the length of the name's length jumps.
  package init(byteCount: Int, seed: UInt64, groups: RecordGroups? = nil) {
    precondition(Self.byteCountRange.contains(byteCount), "as long as byteCountRange says")
    precondition(groups == nil || byteCount >= Self.leastGroupedByteCount, "room for all fields")
    self.groups = groups
    tailByteCount = groups == nil ? Self.plainTail.count : Self.groupedTailByteCount
    var nameByteCount = byteCount - 2 - Self.keyByteCount - tailByteCount - 2
    func head(_ count: Int) -> [UInt8] {
      var writer = ByteWriter()
      writer.append(0x12)
      writer.appendVarint(UInt64(count))
      return writer.array()
    }
    nameByteCount -= head(nameByteCount).count - 2
    self.nameByteCount = nameByteCount
    nameHead = head(nameByteCount)
    self.byteCount = 2 + Self.keyByteCount + nameHead.count + nameByteCount + tailByteCount
    text = CompressibleText.bytes(Self.textByteCount, seed: seed, stream: 0x6e61_6d65)
  }

  /// The first `count` bytes of the key of a record.
  @inline(__always)
  package static func appendKey(
    _ index: Int, count: Int = keyByteCount, to writer: inout ByteWriter
  ) {
    withKey(index) { unsafe writer.append(UnsafeRawBufferPointer(rebasing: $0.prefix(count))) }
  }

  /// - Parameter generation: does nothing without groups.
  package func appendRecord(
    _ index: Int, generation: UInt8 = RecordGroups.generations.lowerBound,
    to writer: inout ByteWriter
  ) {
    writer.append(0x0a)
    writer.append(UInt8(Self.keyByteCount))
    Self.appendKey(index, to: &writer)
    unsafe nameHead.withUnsafeBytes { writer.append($0) }
    Self.withMark(index) { writer.append($0) }
    var rest = nameByteCount - Self.markByteCount
    var start = Self.textStart(index)
    unsafe text.withUnsafeBytes { text in
      while rest > 0 {
        let count = min(rest, text.count - start)
        unsafe writer.append(UnsafeRawBufferPointer(rebasing: text[start..<start + count]))
        rest -= count
        start = 0
      }
    }
    if let groups {
      appendAgeAndBreed(index, generation: generation, groups, to: &writer)
      writer.append(0x2a)
      writer.append(16)
      let chip = RecordGroups.chip(of: index)
      writer.appendBigEndian(chip.0)
      writer.appendBigEndian(chip.1)
    } else {
      unsafe Self.plainTail.withUnsafeBytes { writer.append($0) }
    }
  }

  /// Appends what an update of a record has: its key, and age and breed of a generation.
  ///
  /// - Precondition: there are groups.
  func appendChange(_ index: Int, generation: UInt8, to writer: inout ByteWriter) {
    guard let groups else { preconditionFailure("only records with groups change") }
    writer.append(0x0a)
    writer.append(UInt8(Self.keyByteCount))
    Self.appendKey(index, to: &writer)
    appendAgeAndBreed(index, generation: generation, groups, to: &writer)
  }

  private func appendAgeAndBreed(
    _ index: Int, generation: UInt8, _ groups: RecordGroups, to writer: inout ByteWriter
  ) {
    writer.append(0x18)
    writer.append(generation)
    writer.append(0x22)
    writer.append(8)
    writer.appendBigEndian(
      RecordGroups.breed(ofGroup: groups.group(of: index), generation: generation))
  }

  /// Whether `bytes` are the record of `index`, every one of them.
  ///
  /// - Parameter isOriginal: whether it must be of the first generation; else it may be of any.
  @safe
  package func isRecord(
    _ bytes: UnsafeRawBufferPointer, of index: Int, isOriginal: Bool = false
  ) -> Bool {
    guard bytes.count == byteCount, unsafe bytes[0] == 0x0a,
      unsafe bytes[1] == UInt8(Self.keyByteCount)
    else { return false }
    let keyEnd = 2 + Self.keyByteCount
    let markStart = keyEnd + nameHead.count
    let textStart = markStart + Self.markByteCount
    let tailStart = byteCount - tailByteCount
    return unsafe Self.withKey(index) { unsafe Self.equal($0, bytes[2..<keyEnd]) }
      && nameHead.withUnsafeBytes { unsafe Self.equal($0, bytes[keyEnd..<markStart]) }
      && Self.withMark(index) { unsafe Self.equal($0, bytes[markStart..<textStart]) }
      && isText(bytes[textStart..<tailStart], of: index)
      && isTail(bytes[tailStart...], of: index, isOriginal: isOriginal)
  }

  /// Whether `bytes`, which are as many as they have to be, are the last fields of a record.
  @inline(__always)
  @safe
  private func isTail(
    _ bytes: Slice<UnsafeRawBufferPointer>, of index: Int, isOriginal: Bool
  ) -> Bool {
    guard let groups else {
      return unsafe Self.plainTail.withUnsafeBytes { Self.equal($0, bytes) }
    }
    let tail = unsafe UnsafeRawBufferPointer(rebasing: bytes)
    func letters(at offset: Int) -> UInt64 {
      unsafe UInt64(bigEndian: tail.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
    let generation = unsafe tail[1]
    let chip = RecordGroups.chip(of: index)
    let breed = RecordGroups.breed(ofGroup: groups.group(of: index), generation: generation)
    return unsafe tail[0] == 0x18 && RecordGroups.generations.contains(generation)
      && (!isOriginal || generation == RecordGroups.generations.lowerBound)
      && tail[2] == 0x22 && tail[3] == 8 && letters(at: 4) == breed
      && tail[12] == 0x2a && tail[13] == 16 && letters(at: 14) == chip.0
      && letters(at: 22) == chip.1
  }

  @inline(__always)
  @safe
  private func isText(_ bytes: Slice<UnsafeRawBufferPointer>, of index: Int) -> Bool {
    var rest = unsafe bytes
    var start = Self.textStart(index)
    return unsafe text.withUnsafeBytes { text in
      while unsafe !rest.isEmpty {
        let part = unsafe UnsafeRawBufferPointer(
          rebasing: text[start..<min(text.count, start + rest.count)])
        guard unsafe Self.equal(part, rest.prefix(part.count)) else { return false }
        unsafe rest = rest.dropFirst(part.count)
        start = 0
      }
      return true
    }
  }

  /// Where the text of a record's name begins.
  @inline(__always)
  private static func textStart(_ index: Int) -> Int { index &* 61 & (textByteCount - 1) }

  @inline(__always)
  @safe
  private static func equal(_ bytes: UnsafeRawBufferPointer, _ slice: Slice<UnsafeRawBufferPointer>)
    -> Bool
  {
    let other = unsafe UnsafeRawBufferPointer(rebasing: slice)
    guard let first = bytes.baseAddress, let second = other.baseAddress else {
      return bytes.count == other.count
    }
    // SAFETY: both have that many bytes.
    return unsafe bytes.count == other.count && memcmp(first, second, bytes.count) == 0
  }

  @inline(__always)
  @safe
  package static func withKey<R>(_ index: Int, _ body: (UnsafeRawBufferPointer) -> R) -> R {
    unsafe withUnsafeTemporaryAllocation(byteCount: keyByteCount, alignment: 1) { key in
      unsafe prefix.withUnsafeBytes { unsafe key.copyMemory(from: $0) }
      var rest = UInt(bitPattern: index)
      for offset in stride(from: keyByteCount - 1, through: prefix.count, by: -1) {
        unsafe key[offset] = UInt8(truncatingIfNeeded: 48 + rest % 10)
        rest /= 10
      }
      return unsafe body(UnsafeRawBufferPointer(key))
    }
  }

  @inline(__always)
  @safe
  private static func withMark<R>(_ index: Int, _ body: (UnsafeRawBufferPointer) -> R) -> R {
    unsafe withUnsafeTemporaryAllocation(byteCount: markByteCount, alignment: 1) { mark in
      var rest = SplitMix64.mix(UInt64(index) &+ 1)
      for offset in 0..<markByteCount {
        let digit = UInt8(truncatingIfNeeded: rest & 15)
        unsafe mark[offset] = digit < 10 ? 48 + digit : 87 + digit
        rest >>= 4
      }
      return unsafe body(UnsafeRawBufferPointer(mark))
    }
  }
}
