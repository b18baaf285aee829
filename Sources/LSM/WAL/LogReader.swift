import Bytes
import Glibc

/// Reads a log's records in order; ``LogFormat`` draws the bytes.
///
/// **Torn tail or damage.** A chunk that does not check out is one of two things. When a whole chunk
/// after it promises, by its sync offset, that the place was durable, stored bytes have changed: an
/// error. Without such a promise nothing at or after the place was ever acknowledged as synced, or it
/// belongs to the last group synced before a crash: the log ends there. A log with a successor is read up
/// to the length that the successor's header says, and every deviation before is an error. A sealed log
/// is checked to its seal.
///
/// An I/O error is thrown, never taken for the end.
///
/// Thread-safety: none; one owner at a time.
///
/// Unsafe island: one block of memory. Invariants:
/// 1. `block` points to `LogFormat.blockBytes` bytes, freed by deinit, of which `blockCount` are read.
/// 2. A chunk handed out lies inside them; it is valid until the next block is loaded.
@safe
package final class LogReader {
  /// Where a log may end.
  package enum Ending: Equatable, Sendable {
    /// The log has no successor: it ends at its seal, or where nothing whole and promised follows.
    case open
    /// The log has a successor, whose header says this.
    case at(LogEnd)
  }

  /// One record; its bytes are borrowed.
  @safe
  package struct Record {
    /// Offset of the record's first chunk in the file.
    package let offset: UInt64
    /// The sequence number that the caller gave it, larger than all before.
    package let sequence: UInt64
    /// The caller's bytes, borrowed until the next call of ``LogReader/next()``.
    @safe package let bytes: UnsafeRawBufferPointer
  }

  /// For errors.
  package let path: String
  /// From the name of the file; its chunks must agree.
  package let number: FileNumber
  /// Nil when the log's creation was cut short: it has no records then.
  package let header: LogHeader?
  /// What the log ends with; nil until ``next()`` has returned nil, and for a log without header.
  package private(set) var end: LogEnd?
  /// Whether the log was finished; known when ``end`` is.
  package private(set) var isSealed = false

  private let file: any ReadableFile
  private let ending: Ending
  private let context: UInt64
  private let block: UnsafeMutableRawBufferPointer
  private var blockIndex: UInt64?
  private var blockCount = 0
  private var offset: UInt64 = 0
  private var lastSequence: UInt64 = 0
  private var lastSyncOffset: UInt64 = 0
  private var assembled = ByteWriter()

  /// Opens a log and checks its header.
  ///
  /// Recovery calls ``FileSystem/sync(_:)`` before: what reads show may not be on the disk yet.
  ///
  /// - Parameter store: the store that the log must belong to; nil takes what its header says.
  /// - Throws: ``LSMError/corruption(_:)`` also when the log belongs to another store or number;
  ///   ``LSMError/unsupportedFormat(path:version:)``.
  package init(
    _ fileSystem: any FileSystem, directory: String, name: FileName, store: StoreID?, ending: Ending
  ) throws(LSMError) {
    guard let number = name.number else { preconditionFailure("\(name) is no log's name") }
    path = name.path(in: directory)
    self.number = number
    self.ending = ending
    file = try fileSystem.open(path)
    unsafe block = .allocate(byteCount: LogFormat.blockBytes, alignment: 16)
    var blockCount = 0
    let found: LogHeader?
    do throws(LSMError) {
      blockCount = Int(min(file.size, UInt64(LogFormat.blockBytes)))
      try unsafe file.read(
        into: UnsafeMutableRawBufferPointer(rebasing: block[..<blockCount]), at: 0)
      found = try unsafe Self.header(UnsafeRawBufferPointer(block).prefix(blockCount), path: path)
      if let found, found.number != number {
        throw .corruption(
          LSMError.Damage(
            path: path, offset: 0,
            .value(
              field: "the log number", expected: number.rawValue, actual: found.number.rawValue)))
      }
      if let found, let store, found.store != store {
        throw .corruption(LSMError.Damage(path: path, offset: 0, .foreign(field: "the log")))
      }
      if found == nil && store == nil {
        throw .corruption(LSMError.Damage(path: path, offset: 0, LogFormat.headerIsAbsent))
      }
    } catch {
      file.close()
      unsafe block.deallocate()
      throw error
    }
    header = found
    context = (found?.store ?? store ?? StoreID(low: 0, high: 0)).context(of: number)
    blockIndex = 0
    self.blockCount = blockCount
    lastSequence = found?.predecessor?.lastSequence ?? 0
    if found == nil {
      let damage = LSMError.Damage(path: path, offset: 0, LogFormat.headerIsAbsent)
      if ending != .open { throw .corruption(damage) }
      if try isPromised(0) { throw .corruption(damage) }
    }
    offset = UInt64(found == nil ? 0 : LogFormat.chunkHeaderBytes + LogFormat.headerPayloadBytes)
  }

  deinit {
    file.close()
    unsafe block.deallocate()
  }

  /// The header in a log's first bytes, under the identity that it states itself; nil when there is none.
  @safe
  private static func header(
    _ slice: Slice<UnsafeRawBufferPointer>, path: String
  ) throws(LSMError) -> LogHeader? {
    let bytes = unsafe UnsafeRawBufferPointer(rebasing: slice)
    let length = LogFormat.chunkHeaderBytes + LogFormat.headerPayloadBytes
    guard bytes.count >= length else { return nil }
    let chunk = unsafe UnsafeRawBufferPointer(rebasing: bytes[..<length])
    let payload = unsafe UnsafeRawBufferPointer(rebasing: chunk[LogFormat.chunkHeaderBytes...])
    guard let header = LogHeader(payload),
      unsafe chunk[LogFormat.Field.type] == LogFormat.ChunkType.header.rawValue,
      chunk.littleEndian(UInt16.self, at: LogFormat.Field.length) == UInt16(payload.count),
      checksum(of: chunk, seed: header.store.context(of: header.number))
        == chunk.littleEndian(UInt64.self, at: LogFormat.Field.checksum)
    else { return nil }
    let version = payload.littleEndian(UInt32.self, at: 4)
    guard version == LogFormat.version else {
      throw .unsupportedFormat(path: path, version: UInt64(version))
    }
    return header
  }

  @safe
  private static func checksum(of chunk: UnsafeRawBufferPointer, seed: UInt64) -> UInt64 {
    unsafe XXH64.hash(
      UnsafeRawBufferPointer(rebasing: chunk[LogFormat.Field.length...]), seed: seed)
  }

  // MARK: - Records

  /// The next record; nil at the log's end, which ``end`` then tells.
  package func next() throws(LSMError) -> Record? {
    guard header != nil, end == nil else { return nil }
    assembled.removeAll(keepingAtMost: 1 << 20)
    // Where the log ends if no whole record follows: before the padding, if there is any, because
    // `nextChunk` goes past that only to a chunk.
    let place = offset
    var begin: UInt64?
    while true {
      let chunk: Chunk
      switch try nextChunk() {
      case .end: return try finish(at: place, whole: begin == nil)
      case .bad(let kind): return try finish(at: place, whole: false, kind)
      case .chunk(let found): chunk = found
      }
      switch (chunk.type, begin) {
      case (.full, nil):
        return try record(at: chunk.offset, chunk.payload)
      case (.first, nil):
        begin = chunk.offset
        assembled.append(chunk.payload)
      case (.middle, .some):
        assembled.append(chunk.payload)
      case (.last, .some(let begin)):
        assembled.append(chunk.payload)
        return try unsafe record(at: begin, assembled.bytes)
      case (.seal, nil):
        guard chunk.payload.count == LogFormat.sequenceBytes else {
          throw damage(
            chunk.offset,
            .value(
              field: "the seal's length", expected: UInt64(LogFormat.sequenceBytes),
              actual: UInt64(chunk.payload.count)))
        }
        let sealed = chunk.payload.littleEndian(UInt64.self, at: 0)
        guard sealed == lastSequence else {
          throw damage(
            chunk.offset, .value(field: "the seal", expected: lastSequence, actual: sealed))
        }
        isSealed = true
        return try finish(at: offset, whole: true)
      default:
        throw damage(chunk.offset, .order(field: "a chunk of type \(chunk.type.rawValue)"))
      }
    }
  }

  @safe
  private func record(at begin: UInt64, _ bytes: UnsafeRawBufferPointer) throws(LSMError) -> Record
  {
    guard bytes.count >= LogFormat.sequenceBytes else {
      throw damage(
        begin, .truncated(field: "a record", needed: 8, available: UInt64(bytes.count)))
    }
    let sequence = bytes.littleEndian(UInt64.self, at: 0)
    guard sequence > lastSequence else {
      throw damage(
        begin, .value(field: "a sequence number", expected: lastSequence &+ 1, actual: sequence))
    }
    lastSequence = sequence
    return unsafe Record(
      offset: begin, sequence: sequence,
      bytes: UnsafeRawBufferPointer(rebasing: bytes[LogFormat.sequenceBytes...]))
  }

  /// Ends the log at `place`, or throws when it must not end there.
  private func finish(
    at place: UInt64, whole: Bool, _ kind: DamageKind = .order(field: "the log's end")
  ) throws(LSMError) -> Record? {
    switch ending {
    case .open:
      if !isSealed, try isPromised(offset) { throw damage(offset, kind) }
    case .at(let expected):
      guard whole, place == expected.length else { throw damage(offset, kind) }
      guard lastSequence == expected.lastSequence else {
        throw damage(
          place,
          .value(
            field: "the last sequence number", expected: expected.lastSequence,
            actual: lastSequence))
      }
    }
    end = LogEnd(number: number, length: place, lastSequence: lastSequence)
    return nil
  }

  private func damage(_ offset: UInt64, _ kind: DamageKind) -> LSMError {
    .corruption(LSMError.Damage(path: path, offset: offset, kind))
  }

  // MARK: - Chunks

  @safe
  private struct Chunk {
    let offset: UInt64
    let type: LogFormat.ChunkType
    let syncOffset: UInt64
    @safe let payload: UnsafeRawBufferPointer
    var length: UInt64 { UInt64(LogFormat.chunkHeaderBytes + payload.count) }
  }

  private enum ChunkResult {
    case chunk(Chunk)
    case bad(DamageKind)
    case end
  }

  /// The chunk at `offset`, past which it moves; it stays before a bad one.
  private func nextChunk() throws(LSMError) -> ChunkResult {
    let limit: UInt64
    if case .at(let end) = ending {
      limit = end.length
      guard limit <= file.size else {
        return .bad(.length(field: "the log's length", value: limit, limit: file.size))
      }
    } else {
      limit = file.size
    }
    if offset >= limit { return .end }
    let blockBytes = UInt64(LogFormat.blockBytes)
    let left = blockBytes - offset % blockBytes
    if left < UInt64(LogFormat.smallestChunkBytes) {
      guard left < limit - offset else {
        return ending == .open
          ? .end : .bad(.length(field: "the padding", value: left, limit: limit - offset))
      }
      offset += left
    }
    try load(offset / blockBytes)
    let result = chunk(at: offset, in: Int(offset % blockBytes))
    guard case .chunk(let chunk) = result else { return result }
    guard chunk.length <= limit - offset else {
      return .bad(.length(field: "a chunk", value: chunk.length, limit: limit - offset))
    }
    guard chunk.syncOffset >= lastSyncOffset, chunk.syncOffset <= chunk.offset else {
      throw damage(
        chunk.offset,
        .length(field: "a sync offset", value: chunk.syncOffset, limit: chunk.offset))
    }
    lastSyncOffset = chunk.syncOffset
    offset += chunk.length
    return result
  }

  private func load(_ index: UInt64) throws(LSMError) {
    if blockIndex == index { return }
    blockIndex = nil
    let begin = index * UInt64(LogFormat.blockBytes)
    blockCount = Int(min(UInt64(LogFormat.blockBytes), file.size - begin))
    // SAFETY: invariant 1; `blockCount` is at most the block's size.
    try unsafe file.read(
      into: UnsafeMutableRawBufferPointer(rebasing: block[..<blockCount]), at: begin)
    blockIndex = index
  }

  /// The chunk at a position of the loaded block. Everything is checked before it is used.
  private func chunk(at offset: UInt64, in position: Int) -> ChunkResult {
    let there = blockCount - position
    guard there >= LogFormat.chunkHeaderBytes else {
      return .bad(
        .truncated(
          field: "a chunk", needed: UInt64(LogFormat.chunkHeaderBytes),
          available: UInt64(max(0, there))))
    }
    // SAFETY: invariants 1 and 2.
    let bytes = unsafe UnsafeRawBufferPointer(rebasing: block[position..<blockCount])
    let length = Int(bytes.littleEndian(UInt16.self, at: LogFormat.Field.length))
    guard length <= there - LogFormat.chunkHeaderBytes else {
      return .bad(
        .length(
          field: "a chunk's length", value: UInt64(length),
          limit: UInt64(there - LogFormat.chunkHeaderBytes)))
    }
    guard let type = unsafe LogFormat.ChunkType(rawValue: bytes[LogFormat.Field.type]) else {
      return unsafe .bad(
        .unknown(field: "a chunk's type", value: UInt64(bytes[LogFormat.Field.type])))
    }
    let logNumber = bytes.littleEndian(UInt32.self, at: LogFormat.Field.logNumber)
    let expectedNumber = UInt32(truncatingIfNeeded: number.rawValue)
    guard logNumber == expectedNumber else {
      return .bad(
        .value(
          field: "a chunk's log number", expected: UInt64(expectedNumber),
          actual: UInt64(logNumber)))
    }
    let whole = unsafe UnsafeRawBufferPointer(
      rebasing: bytes[..<(LogFormat.chunkHeaderBytes + length)])
    let stored = whole.littleEndian(UInt64.self, at: LogFormat.Field.checksum)
    let actual = Self.checksum(of: whole, seed: context &+ offset)
    guard stored == actual else { return .bad(.checksum(expected: stored, actual: actual)) }
    return unsafe .chunk(
      Chunk(
        offset: offset, type: type,
        syncOffset: whole.littleEndian(UInt64.self, at: LogFormat.Field.syncOffset),
        payload: UnsafeRawBufferPointer(rebasing: whole[LogFormat.chunkHeaderBytes...])))
  }

  /// Whether a whole chunk after `place` says that the place was durable. O(file size).
  ///
  /// Looks at every byte: lengths after a damaged chunk cannot be trusted.
  private func isPromised(_ place: UInt64) throws(LSMError) -> Bool {
    let blockBytes = UInt64(LogFormat.blockBytes)
    let logNumber = UInt32(truncatingIfNeeded: number.rawValue)
    var at = place
    while at < file.size {
      let begin = at - at % blockBytes
      try load(at / blockBytes)
      let bytes = unsafe UnsafeRawBufferPointer(rebasing: block[..<blockCount])
      var position = Int(at - begin)
      while bytes.count - position >= LogFormat.chunkHeaderBytes {
        // A chunk has the log's number: `memchr` finds the next place for it far faster than this loop.
        let field = position + LogFormat.Field.logNumber
        guard
          let found = unsafe memchr(
            bytes.baseAddress.unsafelyUnwrapped + field, Int32(logNumber & 0xff),
            bytes.count - field)
        else { break }
        // SAFETY: memchr answers with an address inside the bytes it was given.
        unsafe position +=
          UnsafeRawPointer(found) - (bytes.baseAddress.unsafelyUnwrapped + field)
        guard bytes.count - position >= LogFormat.chunkHeaderBytes else { break }
        let offset = begin + UInt64(position)
        let syncOffset = bytes.littleEndian(
          UInt64.self, at: position + LogFormat.Field.syncOffset)
        if syncOffset > place, syncOffset <= offset, case .chunk = chunk(at: offset, in: position) {
          return true
        }
        position += 1
      }
      at = begin + blockBytes
    }
    return false
  }
}
