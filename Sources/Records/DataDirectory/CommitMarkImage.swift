import Bytes
package import Engine
import Glibc
import Platform

// SAFETY: four numbers of 8 bytes and the check fill the 40 bytes of the buffer of a slot, which is aligned, and lent
// until the closure returns.

/// What a data directory keeps of its store outside of the store, in the file `COMMITTED`: how far the store must
/// reach, so that an emptier one is never taken for it.
///
///     byte   0        8         12      16        32            40       48
///           +--------+---------+-------+---------+-------------+--------+
///           | magic  | version | state | boot id | list length | check  |
///           +--------+---------+-------+---------+-------------+--------+
///     byte  48             56        64                72               80
///           +--------------+---------+-----------------+----------------+--------+
///           | acknowledged | durable | manifest number | manifest bytes | check  |
///           +--------------+---------+-----------------+----------------+--------+
///     byte  88
///           +---------------------------------------+
///           | list: name length, name, file bytes … |
///           +---------------------------------------+
///
/// Numbers are little-endian: version, state and name length have 4 bytes, the others 8. The magic is `SEANDBCM`,
/// the version 1. The first check is FNV-1a (64 bits) of bytes 0 to 39 and of the list, the second of bytes 48
/// to 79: bytes 48 to 87 alone are written again after each group of commits, by one `pwrite`.
///
/// State 1, *closed*: the store was closed in good order, and the list has every file of it. State 0, *open*: a
/// process has it, or died; there is no list.
package struct CommitMarkImage: Equatable, Sendable {
  static let fileName = "COMMITTED"
  static let headBytes = 88
  static let slotOffset = 48
  /// No store has so many files.
  static let limitBytes = 64 << 20
  private static let magic = Array("SEANDBCM".utf8)
  private static let version: UInt32 = 1

  /// The boot of the machine in which `slot.acknowledged` holds; zeros when it is not known.
  package var bootID: [UInt8]
  /// How far the store must reach.
  package var slot: Slot
  /// The store's files when it was closed; nil while it is open.
  package var files: [StoreFile]?

  /// The part that moves on with the commits.
  package struct Slot: Equatable, Sendable {
    /// The newest change that was acknowledged. It must be there after the death of the process.
    package var acknowledged: UInt64
    /// The newest change that was acknowledged as synced. It must be there after a power cut.
    package var durable: UInt64
    /// Of the store's manifest; zeros when the engine names none.
    package var manifest: ManifestExtent

    package init(
      acknowledged: UInt64, durable: UInt64,
      manifest: ManifestExtent = ManifestExtent(number: 0, bytes: 0)
    ) {
      self.acknowledged = acknowledged
      self.durable = durable
      self.manifest = manifest
    }

    static let byteCount = 40

    /// Calls `body` with the slot's bytes, on the stack: they are written after each group of commits.
    @safe
    func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
      unsafe withUnsafeTemporaryAllocation(byteCount: Self.byteCount, alignment: 8) { buffer in
        unsafe buffer.storeBytes(of: acknowledged.littleEndian, toByteOffset: 0, as: UInt64.self)
        unsafe buffer.storeBytes(of: durable.littleEndian, toByteOffset: 8, as: UInt64.self)
        unsafe buffer.storeBytes(
          of: manifest.number.littleEndian, toByteOffset: 16, as: UInt64.self)
        unsafe buffer.storeBytes(of: manifest.bytes.littleEndian, toByteOffset: 24, as: UInt64.self)
        let check = unsafe FNV1a.hash(UnsafeRawBufferPointer(rebasing: buffer[..<32]))
        unsafe buffer.storeBytes(of: check.littleEndian, toByteOffset: 32, as: UInt64.self)
        return unsafe body(UnsafeRawBufferPointer(buffer))
      }
    }

    var bytes: [UInt8] { withBytes { unsafe Array($0) } }
  }

  /// The id of the machine's present boot; zeros when the system does not say.
  static func currentBootID() -> [UInt8] {
    let unknown = [UInt8](repeating: 0, count: 16)
    let file = try? SmallFile.read(
      "/proc/sys/kernel/random/boot_id", limitBytes: 64, orThrow: { $0 })
    guard let text = file ?? nil else { return unknown }
    let digits = text.compactMap { Character(UnicodeScalar($0)).hexDigitValue.map(UInt8.init) }
    guard digits.count == 32 else { return unknown }
    return stride(from: 0, to: 32, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
  }

  /// The newest change that must be there now.
  package func required(bootID now: [UInt8]) -> UInt64 {
    isOfBoot(now) ? slot.acknowledged : slot.durable
  }

  /// Whether what was handed to the operating system is still there.
  func isOfBoot(_ now: [UInt8]) -> Bool { bootID == now && now.contains { $0 != 0 } }

  // MARK: - Bytes

  /// The whole file.
  package var bytes: [UInt8] {
    var list = ByteWriter()
    for file in files ?? [] {
      list.appendLittleEndian(UInt32(file.name.utf8.count))
      list.append(Array(file.name.utf8))
      list.appendLittleEndian(file.bytes)
    }
    var head = ByteWriter()
    head.append(Self.magic)
    head.appendLittleEndian(Self.version)
    head.appendLittleEndian(files == nil ? 0 : 1 as UInt32)
    head.append(bootID)
    head.appendLittleEndian(UInt64(list.count))
    let check = FNV1a.hash(head.array() + list.array())
    head.appendLittleEndian(check)
    return head.array() + slot.bytes + list.array()
  }

  /// Why bytes are not a mark.
  package enum Damage: Error, Equatable {
    case notAMark
    case newerVersion(UInt32)
  }

  package init(bootID: [UInt8], slot: Slot, files: [StoreFile]?) {
    self.bootID = bootID
    self.slot = slot
    self.files = files
  }

  /// Reads the whole file.
  ///
  /// - Throws: when it is not one, is of a newer program, or its checks do not fit.
  package init(_ bytes: [UInt8]) throws(Damage) {
    guard bytes.count >= Self.headBytes, Array(bytes[..<8]) == Self.magic else { throw .notAMark }
    let version = Self.number32(bytes, 8)
    guard version == Self.version else { throw .newerVersion(version) }
    let list = Array(bytes[Self.headBytes...])
    guard Self.number(bytes, 32) == UInt64(list.count),
      Self.number(bytes, 40) == FNV1a.hash(Array(bytes[..<40]) + list),
      Self.number(bytes, 80) == FNV1a.hash(Array(bytes[48..<80]))
    else { throw .notAMark }
    bootID = Array(bytes[16..<32])
    slot = Slot(
      acknowledged: Self.number(bytes, 48), durable: Self.number(bytes, 56),
      manifest: ManifestExtent(number: Self.number(bytes, 64), bytes: Self.number(bytes, 72)))
    switch Self.number32(bytes, 12) {
    case 0 where list.isEmpty: files = nil
    case 1: files = try Self.files(list)
    default: throw .notAMark
    }
  }

  private static func files(_ list: [UInt8]) throws(Damage) -> [StoreFile] {
    var files: [StoreFile] = []
    var offset = 0
    while offset < list.count {
      guard list.count - offset >= 4 else { throw .notAMark }
      let length = Int(number32(list, offset))
      guard list.count - offset - 4 >= length, list.count - offset - 4 - length >= 8 else {
        throw .notAMark
      }
      let name = String(decoding: list[(offset + 4)..<(offset + 4 + length)], as: UTF8.self)
      files.append(StoreFile(name: name, bytes: number(list, offset + 4 + length)))
      offset += 12 + length
    }
    return files
  }

  private static func number(_ bytes: [UInt8], _ offset: Int) -> UInt64 {
    bytes[offset..<(offset + 8)].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  private static func number32(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
    bytes[offset..<(offset + 4)].reversed().reduce(0) { $0 << 8 | UInt32($1) }
  }
}

/// FNV-1a, 64 bits (draft-eastlake-fnv): tells bytes that were written from others. No protection against intent.
package enum FNV1a {
  static func hash(_ bytes: some Sequence<UInt8>) -> UInt64 {
    bytes.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01b3 }
  }
}
