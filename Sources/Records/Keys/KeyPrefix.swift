package import Engine

/// What a stored key holds; the first byte of every key, so that the kinds lie apart.
package enum KeyKind: UInt8, CaseIterable, Sendable {
  /// The server's own data: schemas, model ids, format version.
  case catalogue = 0
  /// A record of a model, under its primary key.
  case record = 1
  /// An index entry of a model.
  case index = 2
  /// A change of a record of a model that is watched.
  case change = 3
  /// What a call with a request id was answered.
  case request = 4
}

/// The 5 bytes that every key of one kind and model begins with.
///
///     byte   0       1 … 4                5 …
///           +-------+--------------------+------------------+
///           | kind  | model, big-endian  | key bytes        |
///           +-------+--------------------+------------------+
///
/// Ids of models and indexes are given once by the catalogue and never reused. The ranges made here never leave the
/// model: an open end is the end of the prefix.
// SAFETY: A prefix is read after the length was checked. A key is put together in memory that lives until `body`
// returns, and that has exactly the bytes of both parts.
package struct KeyPrefix: Hashable, Sendable {
  /// Bytes of every prefix.
  package static let byteCount = FixedPrefix.byteCount

  /// The first byte.
  package let kind: KeyKind
  /// The id of the model; of an entry of an index, that of the index; the catalogue's own keys have 0.
  package let model: UInt32
  /// As a write batch takes it: made once, not for each record.
  package let fixed: FixedPrefix

  /// - Parameter model: any number: the catalogue gives out ids.
  package init(_ kind: KeyKind, model: UInt32) {
    self.kind = kind
    self.model = model
    fixed = FixedPrefix(kind.rawValue, model)
  }

  /// Reads the prefix of a stored key; nil when the key is shorter or its kind is unknown.
  @safe
  package init?(of key: UnsafeRawBufferPointer) {
    guard key.count >= Self.byteCount, let kind = unsafe KeyKind(rawValue: key[0]) else {
      return nil
    }
    let model = unsafe key.loadUnaligned(fromByteOffset: 1, as: UInt32.self)
    self.init(kind, model: UInt32(bigEndian: model))
  }

  /// The 5 bytes. Allocates; see ``fixed`` and ``withKey(_:_:)``.
  package var bytes: [UInt8] { fixed.bytes }

  /// The stored key of `key`.
  package func key(_ key: some Sequence<UInt8>) -> [UInt8] { bytes + key }

  /// The stored key of bytes in memory: as above, without the detour by a sequence.
  @safe
  package func key(_ key: UnsafeRawBufferPointer) -> [UInt8] {
    // SAFETY: the buffer has room for 5 bytes and the key; all of it is written.
    unsafe [UInt8](unsafeUninitializedCapacity: Self.byteCount + key.count) { buffer, count in
      let bytes = UnsafeMutableRawBufferPointer(buffer)
      unsafe bytes[0] = kind.rawValue
      unsafe bytes.storeBytes(of: model.bigEndian, toByteOffset: 1, as: UInt32.self)
      unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[Self.byteCount...]).copyMemory(
        from: key)
      count = Self.byteCount + key.count
    }
  }

  /// Calls `body` with the stored key of `key`, built on the stack while it is short (about 1 KiB).
  ///
  /// The bytes are valid until `body` returns. Not generic over a result, and `body` does not throw: a
  /// generic closure across modules costs more than the look-up it is for.
  @safe
  package func withKey(
    _ key: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Void
  ) {
    unsafe withUnsafeTemporaryAllocation(byteCount: Self.byteCount + key.count, alignment: 1) {
      buffer in
      // SAFETY: the buffer holds 5 bytes and the key; all of it is written before it is read.
      unsafe buffer[0] = kind.rawValue
      unsafe buffer.storeBytes(of: model.bigEndian, toByteOffset: 1, as: UInt32.self)
      unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[Self.byteCount...]).copyMemory(
        from: key)
      unsafe body(UnsafeRawBufferPointer(buffer))
    }
  }
}

// MARK: - Ranges of one model

extension KeyPrefix {
  /// Every key of the model.
  package var all: KeyRange { .prefix(bytes) }

  /// `key` and what follows it in the model.
  @safe
  package func atLeast(_ key: UnsafeRawBufferPointer) -> KeyRange {
    KeyRange(lower: self.key(key), upper: all.upper)
  }

  /// What comes before `key` in the model, and `key` itself.
  @safe
  package func atMost(_ key: UnsafeRawBufferPointer) -> KeyRange {
    KeyRange(lower: bytes, upper: self.key(key) + [0])
  }

  /// The keys of the model from `key` on, with or without itself.
  @safe
  package func range(lower key: UnsafeRawBufferPointer, isIncluded: Bool) -> KeyRange {
    isIncluded ? atLeast(key) : KeyRange(lower: self.key(key) + [0], upper: all.upper)
  }

  /// The keys of the model up to `key`, with or without itself.
  @safe
  package func range(upper key: UnsafeRawBufferPointer, isIncluded: Bool) -> KeyRange {
    isIncluded ? atMost(key) : KeyRange(lower: bytes, upper: self.key(key))
  }

  /// The keys of the model that begin with `key`; all of them when it is empty.
  @safe
  package func beginning(with key: UnsafeRawBufferPointer) -> KeyRange { .prefix(self.key(key)) }
}
