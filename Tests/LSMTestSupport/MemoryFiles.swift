import Glibc
package import LSM
import Synchronization

/// A growing file of a ``MemoryFileSystem``.
package final class MemoryWritableFile: WritableFile {
  private let fileSystem: MemoryFileSystem
  private let inode: Int
  private let path: String
  private let end = Mutex<(size: Int, isClosed: Bool)>((0, false))

  package init(_ fileSystem: MemoryFileSystem, inode: Int, path: String) {
    self.fileSystem = fileSystem
    self.inode = inode
    self.path = path
  }

  package var size: UInt64 { UInt64(end.withLock { $0.size }) }

  private func openEnd() throws(LSMError) -> Int {
    let (size, isClosed) = end.withLock { $0 }
    if isClosed { throw .closed(path: path) }
    return size
  }

  package func append(_ bytes: UnsafeRawBufferPointer) throws(LSMError) {
    let offset = try openEnd()
    try fileSystem.call(.write, path) { (state) throws(LSMError) in
      state.inodes[inode]?.write(bytes, at: offset)
    } onNoSpace: { state in
      let half = UnsafeRawBufferPointer(rebasing: bytes[..<(bytes.count / 2)])
      state.inodes[inode]?.write(half, at: offset)
    }
    end.withLock { $0.size = offset + bytes.count }
  }

  package func preallocate(_ bytes: UInt64) throws(LSMError) {
    let offset = try openEnd()
    try fileSystem.call(.preallocate, path) { (state) throws(LSMError) in
      let begin = max(offset, state.inodes[inode]?.content.count ?? 0)
      let zeros = [UInt8](repeating: 0, count: max(0, offset + Int(bytes) - begin))
      zeros.withUnsafeBytes { state.inodes[inode]?.write($0, at: begin) }
    }
  }

  package func truncate(to size: UInt64) throws(LSMError) {
    _ = try openEnd()
    try fileSystem.call(.truncate, path) { (state) throws(LSMError) in
      state.inodes[inode]?.truncate(to: Int(size))
    }
    end.withLock { $0.size = Int(size) }
  }

  /// A hint: not counted among the calls.
  package func startWriteback() {}

  package func sync() throws(LSMError) {
    _ = try openEnd()
    try fileSystem.call(.sync, path) { (state) throws(LSMError) in
      state.inodes[inode]?.sync()
    } onFault: { state in
      state.inodes[inode]?.loseDirtyBlocks()
    }
  }

  package func close() throws(LSMError) {
    guard !end.withLock({ $0.isClosed }) else { return }
    end.withLock { $0.isClosed = true }
    try fileSystem.call(.close, path) { (_) throws(LSMError) in }
  }
}

/// An open file of a ``MemoryFileSystem``.
package final class MemoryReadableFile: ReadableFile {
  private let fileSystem: MemoryFileSystem
  private let inode: Int
  private let path: String
  package let size: UInt64

  package init(_ fileSystem: MemoryFileSystem, inode: Int, size: UInt64, path: String) {
    self.fileSystem = fileSystem
    self.inode = inode
    self.size = size
    self.path = path
  }

  package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(LSMError)
  {
    try fileSystem.call(.read, path) { (state) throws(LSMError) in
      let content = state.inodes[inode]?.content ?? []
      let there = offset < UInt64(content.count) ? UInt64(content.count) - offset : 0
      guard UInt64(buffer.count) <= there else {
        throw .corruption(
          LSMError.Damage(
            path: path, offset: offset,
            .truncated(field: "a read", needed: UInt64(buffer.count), available: there)))
      }
      content.withUnsafeBytes {
        buffer.copyMemory(
          from: UnsafeRawBufferPointer(rebasing: $0[Int(offset)..<Int(offset) + buffer.count]))
      }
    }
  }

  package func readCached(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) -> Bool {
    let isCached = fileSystem.state.withLock { $0.isCached }
    guard isCached?(path, offset) ?? true else { return false }
    return (try? read(into: buffer, at: offset)) != nil
  }

  package func expectRandomReads() {}

  package func prefetch(_ byteCount: UInt64, at offset: UInt64) {
    fileSystem.state.withLock { $0.prefetches.append(offset..<offset + byteCount) }
  }

  package func close() {}
}

/// A lock of a ``MemoryFileSystem``.
package final class MemoryFileLock: FileLock {
  private let fileSystem: MemoryFileSystem
  private let path: String

  package init(_ fileSystem: MemoryFileSystem, path: String) {
    self.fileSystem = fileSystem
    self.path = path
  }

  deinit {
    let path = path
    fileSystem.state.withLock { state in _ = state.locks.remove(path) }
  }
}
