/// All the file access of the store, so that tests can own every fault.
///
/// Paths are absolute or relative to the working directory, with `/` between names. What is durable:
///
/// - A file's bytes are durable after ``WritableFile/sync()`` or ``sync(_:)``, its name after
///   ``syncDirectory(_:)`` of its directory. Neither implies the other.
/// - ``rename(_:to:)`` replaces the target in one step: after a crash it is the old file or the new one.
/// - After a failed sync the bytes may be lost although reads still show them, and a later sync may
///   succeed without them: the writer must give the file up.
///
/// Thread-safety: every call, from any thread. All calls block on disk I/O.
package protocol FileSystem: Sendable {
  /// A new, empty file.
  /// - Throws: ``LSMError/alreadyExists(_:)`` when the name is taken.
  func create(_ path: String) throws(LSMError) -> any WritableFile

  /// An existing file, for reading. Its size is that of the moment of opening.
  /// - Throws: ``LSMError/notFound(_:)``.
  func open(_ path: String) throws(LSMError) -> any ReadableFile

  /// The names in a directory without `.` and `..`, in no order.
  func list(_ directory: String) throws(LSMError) -> [String]

  func exists(_ path: String) throws(LSMError) -> Bool

  /// Only ``installFile(_:in:temporary:_:)`` calls it.
  func rename(_ from: String, to: String) throws(LSMError)

  func remove(_ path: String) throws(LSMError)

  /// A second name for a file. The new name must be free.
  func link(_ from: String, to: String) throws(LSMError)

  /// - Throws: ``LSMError/alreadyExists(_:)`` when the name is taken.
  func createDirectory(_ path: String) throws(LSMError)

  /// Makes the names in a directory durable, and the removal of names.
  func syncDirectory(_ path: String) throws(LSMError)

  /// Makes the bytes of an existing file durable, whoever wrote them. Recovery calls it before it
  /// trusts what it reads: bytes of a process that died may be in memory only.
  func sync(_ path: String) throws(LSMError)

  /// Takes the lock file, creating it when it is missing. Released with the last reference, and by the
  /// death of the process.
  /// - Throws: ``LSMError/lockHeld(path:)``.
  func lock(_ path: String) throws(LSMError) -> any FileLock
}

/// A file that grows at its end.
///
/// Thread-safety: one caller at a time. After an error nothing is known of what was written: close it.
package protocol WritableFile: AnyObject, Sendable {
  /// Bytes appended; 0 for a new file.
  var size: UInt64 { get }

  /// Hands bytes to the operating system: they survive the death of the process, not a power cut.
  @safe
  func append(_ bytes: UnsafeRawBufferPointer) throws(LSMError)

  /// Writes zero bytes after the end, to be overwritten by later appends; ``size`` stays. Appends into
  /// them do not change the file's length, which makes each ``sync()`` cheaper. A reader sees the zeros.
  /// Zeros that are there already, from an earlier call, are not written again.
  func preallocate(_ bytes: UInt64) throws(LSMError)

  /// Cuts off what is after the first `size` bytes, appends and zeros written ahead alike; the next append goes
  /// there. Durable after ``sync()``. The only call that may follow a failed append.
  func truncate(to size: UInt64) throws(LSMError)

  /// Has the operating system begin to write what was appended, and does not wait: a hint that makes a later
  /// ``sync()`` of a large file short. Promises nothing.
  func startWriteback()

  /// Makes all that was appended durable (fdatasync).
  func sync() throws(LSMError)

  /// Gives the file descriptor back; does not sync. A second call does nothing.
  func close() throws(LSMError)
}

/// A file that is read at any offset.
///
/// Thread-safety: reads from any thread at once; `close` after the last one.
package protocol ReadableFile: AnyObject, Sendable {
  /// Bytes in the file when it was opened.
  var size: UInt64 { get }

  /// Reads exactly `buffer.count` bytes.
  /// - Throws: ``LSMError/corruption(_:)`` of kind `truncated` when the file ends before.
  @safe
  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(LSMError)

  /// Reads exactly `buffer.count` bytes if the operating system has them in memory; does not wait for what it has not.
  ///
  /// - Returns: false when it does not have all of them, cannot tell, or met an error: ``read(into:at:)`` will say.
  ///   What is in the buffer is of no use then.
  @safe
  func readCached(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) -> Bool

  /// Says that reads go to places in no order, so that the system reads nothing beside what is asked for. A hint.
  func expectRandomReads()

  /// Has the operating system begin to read bytes into its memory, and does not wait for them. A hint; what is after
  /// the file's end is left out.
  func prefetch(_ byteCount: UInt64, at offset: UInt64)

  /// Gives the file descriptor back. A second call does nothing.
  func close()
}

/// A lock on a file, held until the last reference is gone.
package protocol FileLock: AnyObject, Sendable {}
