package import Engine

// SAFETY: the array has 16 bytes (`init`), and lends them until the closure returns.

/// Tells a store from all others: 16 random bytes, given once, kept in the store's catalogue and in the marker.
package struct StoreIdentity: Hashable, Sendable, CustomStringConvertible {
  static let byteCount = 16

  let bytes: [UInt8]

  static func random() -> StoreIdentity {
    var generator = SystemRandomNumberGenerator()
    return StoreIdentity(
      bytes: (0..<byteCount).map { _ in .random(in: 0...255, using: &generator) })
  }

  private init(bytes: [UInt8]) { self.bytes = bytes }

  /// - Returns: nil when there are not 16 bytes.
  init?(_ bytes: [UInt8]) {
    guard bytes.count == Self.byteCount else { return nil }
    self.bytes = bytes
  }

  /// Reads 32 hexadecimal digits, small letters.
  init?(text: some StringProtocol) {
    let digits = text.utf8.compactMap { byte -> UInt8? in
      switch byte {
      case 0x30...0x39: byte - 0x30
      case 0x61...0x66: byte - 0x61 + 10
      default: nil
      }
    }
    guard text.utf8.count == 2 * Self.byteCount, digits.count == 2 * Self.byteCount else {
      return nil
    }
    bytes = (0..<Self.byteCount).map { digits[2 * $0] << 4 | digits[2 * $0 + 1] }
  }

  /// The bytes as two numbers, each in little-endian order.
  var halves: (UInt64, UInt64) {
    unsafe bytes.withUnsafeBytes { bytes in
      unsafe (
        UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self)),
        UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
      )
    }
  }

  package var description: String {
    let digits = Array("0123456789abcdef")
    return String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
  }
}

/// What an open store says of itself, to compare with what its data directory expects.
package struct StoreFacts: Equatable, Sendable {
  /// The newest change that it has.
  package let lastSequence: UInt64
  /// nil in a store of an earlier program, and in one that is being made.
  package let identity: StoreIdentity?
  /// The highest one that its schemas needed.
  let format: StoreFormat

  /// Asks `engine`, the store of the data directory `directory`. Blocks on disk I/O.
  package init(of engine: any StorageEngine, directory: String) throws(DatabaseError) {
    do throws(EngineError) {
      lastSequence = try engine.lastSequence()
    } catch {
      throw .engine(error)
    }
    let catalogue = Catalogue(engine: engine, directory: directory)
    identity = try catalogue.identity()
    format = try catalogue.format()
  }
}
