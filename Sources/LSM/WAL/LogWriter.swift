import Bytes

/// Appends records to a new log; ``LogFormat`` draws the bytes.
///
/// A record is in memory after ``append(_:sequence:)``, survives kill -9 after ``write()``, and a power
/// cut after ``sync()``.
///
/// **Rotation.** No record of log N + 1 may be acknowledged before log N is durable to its end; else a
/// crash could keep a later write and lose an earlier one. So a log is created with the ``LogEnd`` of the
/// one before it, and that comes from ``finish()`` (after its sync) or from recovery.
///
/// After an error nothing is known of the bytes on disk: every later call throws
/// ``LSMError/poisoned(cause:)``.
///
/// Thread-safety: none; one owner at a time.
// SAFETY: A record is borrowed until the call returns, and each piece of it ends inside; `buffer` is not changed while
// the file takes its bytes.
package final class LogWriter {
  /// Zeros written ahead, so that most syncs need not record a new file size.
  static let preallocatedBytes: UInt64 = 256 << 10
  /// Groups larger than this gain nothing from zeros written ahead, and would write everything twice.
  static let largestPreallocatedGroupBytes: UInt64 = 16 << 10
  /// Unsynced bytes after which the operating system is asked to begin to write them.
  static let writebackBytes: UInt64 = 1 << 20
  /// Buffered bytes over which a log hands them to the operating system by itself.
  static let bufferBytes = 1 << 20

  /// For errors.
  package let path: String
  /// In the name of the file, and in every chunk.
  package let number: FileNumber
  /// Of the last record appended; at first, the predecessor's.
  package private(set) var lastSequence: UInt64
  /// Bytes that a power cut cannot take.
  package private(set) var syncedLength: UInt64 = 0

  private let file: any WritableFile
  private let maximumRecordBytes: Int
  private let context: UInt64
  private var preallocates: Bool
  private var buffer = ByteWriter()
  /// Bytes handed to the operating system.
  private var writtenLength: UInt64 = 0
  private var preallocatedEnd: UInt64 = 0
  /// Bytes that the operating system was asked to begin to write.
  private var writebackLength: UInt64 = 0
  /// What the last whole ``write()`` or ``sync()`` ended with: nothing after it was ever acknowledged.
  private var handedOver: (length: UInt64, lastSequence: UInt64) = (0, 0)
  /// Whether an append to the file failed for want of space, and nothing else did.
  private var lacksSpace = false
  private var failure: LSMError?
  private var isFinished = false

  /// Creates a log and makes it durable: its name first, then the header. Blocks on two or three syncs.
  ///
  /// - Parameters:
  ///   - name: a log's or a manifest's, with a number never used before.
  ///   - predecessor: the end of the log before it; nil for the first one, and for manifests.
  ///   - preallocates: writes zeros ahead while groups are small; a sync then takes about 20 % less on ext4.
  package init(
    _ fileSystem: any FileSystem, directory: String, name: FileName, store: StoreID,
    after predecessor: LogEnd?, preallocates: Bool
  ) throws(LSMError) {
    guard let number = name.number, number > 0 else {
      preconditionFailure("\(name) is no log's name")
    }
    path = name.path(in: directory)
    // The bounds of all tables are in one record of a manifest: a limit would end the store.
    if case .manifest = name {
      maximumRecordBytes = .max
    } else {
      maximumRecordBytes = LogFormat.maximumRecordBytes
    }
    self.number = number
    self.preallocates = preallocates
    context = store.context(of: number)
    lastSequence = predecessor?.lastSequence ?? 0
    file = try fileSystem.create(path)
    // The name before the first byte: so a number whose file ever held a byte is seen by the next open.
    try fileSystem.syncDirectory(directory)
    var payload = ByteWriter()
    LogHeader(store: store, number: number, predecessor: predecessor).encode(into: &payload)
    unsafe appendChunk(.header, payload.bytes)
    try sync()
  }

  /// Bytes of the log, those in memory included.
  package var length: UInt64 { writtenLength + UInt64(buffer.count) }

  /// Appends a record to the buffer. Writes when the buffer is over 1 MiB.
  ///
  /// - Precondition: `sequence` is larger than ``lastSequence``.
  /// - Throws: ``LSMError/tooLarge(bytes:limit:)`` before anything is written; the log stays usable then.
  @safe
  package func append(_ record: UnsafeRawBufferPointer, sequence: UInt64) throws(LSMError) {
    try requireUsable()
    precondition(sequence > lastSequence, "sequence numbers grow")
    guard record.count <= maximumRecordBytes else {
      throw .tooLarge(bytes: record.count, limit: maximumRecordBytes)
    }
    lastSequence = sequence
    var rest = unsafe record
    var isFirst = true
    while true {
      let prefixBytes = isFirst ? LogFormat.sequenceBytes : 0
      let count = min(rest.count, chunkRoom() - prefixBytes)
      let isLast = count == rest.count
      let type: LogFormat.ChunkType =
        isFirst ? (isLast ? .full : .first) : (isLast ? .last : .middle)
      unsafe appendChunk(
        type, UnsafeRawBufferPointer(rebasing: rest[..<count]), sequence: isFirst ? sequence : nil)
      if buffer.count >= Self.bufferBytes { try writeBuffer() }
      if isLast { return }
      unsafe rest = UnsafeRawBufferPointer(rebasing: rest[count...])
      isFirst = false
    }
  }

  /// Hands what is buffered to the operating system.
  package func write() throws(LSMError) {
    try writeBuffer()
    handedOver = (writtenLength, lastSequence)
  }

  private func writeBuffer() throws(LSMError) {
    try requireUsable()
    guard !buffer.isEmpty else { return }
    do throws(LSMError) {
      try unsafe file.append(buffer.bytes)
    } catch {
      if case .noSpace = error { lacksSpace = true }
      failure = error
      throw error
    }
    writtenLength += UInt64(buffer.count)
    buffer.removeAll(keepingAtMost: Self.bufferBytes * 2)
    // Without syncs a whole memtable's log would gather, and its rotation hold the writer up for as long as
    // the disk takes. No later log has a record before this one is synced, so the order stays.
    if writtenLength - max(syncedLength, writebackLength) >= Self.writebackBytes {
      file.startWriteback()
      writebackLength = writtenLength
    }
  }

  /// Makes every record appended so far durable. One fdatasync.
  package func sync() throws(LSMError) {
    try write()
    guard syncedLength < writtenLength else { return }
    try poisoning { () throws(LSMError) in
      if preallocates && writtenLength >= preallocatedEnd
        && writtenLength - syncedLength <= Self.largestPreallocatedGroupBytes
      {
        do throws(LSMError) {
          try file.preallocate(Self.preallocatedBytes)
          preallocatedEnd = writtenLength + Self.preallocatedBytes
        } catch .noSpace {
          // Zeros ahead are for speed alone: what was appended has its place already.
          preallocates = false
        }
      }
      try file.sync()
    }
    syncedLength = writtenLength
  }

  /// Makes the log durable, seals and closes it. Up to two syncs.
  ///
  /// The seal is written after the first sync, so that damage before it is told from a torn tail. Without space
  /// for a seal the log ends before it.
  package func finish() throws(LSMError) -> LogEnd {
    try sync()
    _ = chunkRoom()
    var payload = ByteWriter()
    payload.appendLittleEndian(lastSequence)
    unsafe appendChunk(.seal, payload.bytes)
    do throws(LSMError) {
      try sync()
    } catch {
      guard lacksSpace else { throw error }
      return try endBeforeFailure()
    }
    try poisoning { () throws(LSMError) in try file.close() }
    isFinished = true
    return LogEnd(number: number, length: writtenLength, lastSequence: lastSequence)
  }

  /// Whether the log was finished, and there was space for its seal.
  package var isSealed: Bool { isFinished && !lacksSpace }

  /// Whether ``endBeforeFailure()`` may be called: an append to the file found no space.
  package var mayEndBeforeFailure: Bool { lacksSpace && !isFinished }

  /// Ends the log with the last record that was handed over whole, and closes it: nothing of a later one is in the
  /// file then, so a batch whose append found no space is certainly not stored.
  ///
  /// Up to one sync. On an error the log is in doubt, as after any other.
  ///
  /// - Precondition: ``mayEndBeforeFailure``.
  package func endBeforeFailure() throws(LSMError) -> LogEnd {
    precondition(mayEndBeforeFailure, "only after an append that found no space")
    buffer.removeAll()
    try file.truncate(to: handedOver.length)
    try file.sync()
    isFinished = true
    // What is in the file is durable; a failed close loses nothing.
    do throws(LSMError) { try file.close() } catch {}
    writtenLength = handedOver.length
    syncedLength = handedOver.length
    lastSequence = handedOver.lastSequence
    return LogEnd(number: number, length: writtenLength, lastSequence: lastSequence)
  }

  // MARK: - Chunks

  /// Payload bytes that fit into the current block, after padding to the next one if they are too few.
  /// At least the 8 of a sequence number.
  private func chunkRoom() -> Int {
    let left = LogFormat.blockBytes - Int(length % UInt64(LogFormat.blockBytes))
    if left >= LogFormat.smallestChunkBytes { return left - LogFormat.chunkHeaderBytes }
    for _ in 0..<left { buffer.append(0 as UInt8) }
    return LogFormat.blockBytes - LogFormat.chunkHeaderBytes
  }

  @safe
  private func appendChunk(
    _ type: LogFormat.ChunkType, _ payload: UnsafeRawBufferPointer, sequence: UInt64? = nil
  ) {
    let offset = length
    let begin = buffer.count
    let payloadBytes = payload.count + (sequence == nil ? 0 : LogFormat.sequenceBytes)
    let logNumber = UInt64(UInt32(truncatingIfNeeded: number.rawValue))
    // The 31 bytes before the payload, as words: a call for each field cost more than the checksum.
    let words = (
      UInt64(0),
      (UInt64(payloadBytes) | UInt64(type.rawValue) &<< 16 | logNumber &<< 24
        | syncedLength &<< 56).littleEndian,
      (syncedLength &>> 8 | (sequence ?? 0) &<< 56).littleEndian,
      ((sequence ?? 0) &>> 8).littleEndian
    )
    let fixedBytes =
      LogFormat.chunkHeaderBytes + (sequence == nil ? 0 : LogFormat.sequenceBytes)
    unsafe withUnsafeBytes(of: words) {
      unsafe buffer.append(UnsafeRawBufferPointer(rebasing: $0[..<fixedBytes]))
    }
    buffer.append(payload)
    let covered = unsafe UnsafeRawBufferPointer(
      rebasing: buffer.bytes[(begin + LogFormat.Field.length)...])
    let checksum = XXH64.hash(covered, seed: context &+ offset).littleEndian
    unsafe withUnsafeBytes(of: checksum) { buffer.overwrite(at: begin, with: $0) }
  }

  // MARK: - Failures

  private func requireUsable() throws(LSMError) {
    if let failure { throw .poisoned(cause: failure) }
    if isFinished { throw .closed(path: path) }
  }

  private func poisoning(_ body: () throws(LSMError) -> Void) throws(LSMError) {
    do throws(LSMError) {
      try body()
    } catch {
      failure = error
      throw error
    }
  }
}
