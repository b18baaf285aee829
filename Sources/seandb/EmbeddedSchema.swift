import Glibc
import Schema

/// The compiled schema at the end of a server's executable.
///
///     [ the runtime's executable, unchanged ]
///     [ compiled schema: CompiledSchema's container, which has its own checksum ]
///     [ u64 little-endian: the container's length ]
///     [ "SEANDBX1" ]
///
/// ELF loaders ignore what follows the last section, so the copy runs as it is.
enum EmbeddedSchema {
  private static let magic = Array("SEANDBX1".utf8)
  private static let trailerBytes = 16
  private static let ownExecutable = "/proc/self/exe"

  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  /// The schema inside this program; nil when it is the plain tool.
  static func load() throws -> CompiledSchema? {
    let file = try openForReading(ownExecutable)
    defer { close(file) }
    guard let (offset, length) = try findSchema(file) else { return nil }
    let bytes = try read(file, at: offset, count: length)
    return try bytes.withUnsafeBytes { try CompiledSchema(serialized: $0) }
  }

  /// Writes a server: a copy of this program with `schema` at its end. Whole or not at all: a temporary
  /// file, fsync, rename, fsync of the directory.
  static func writeServer(with schema: CompiledSchema, named name: String, into directory: String)
    throws
  {
    let source = try openForReading(ownExecutable)
    defer { close(source) }
    let length = try findSchema(source)?.offset ?? size(source)
    let path = "\(directory)/\(name)"
    let temporary = "\(directory)/.\(name).\(getpid()).tmp"
    let target = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o755)
    guard target >= 0 else { throw failure("create \(temporary)") }
    var isInstalled = false
    defer {
      close(target)
      if !isInstalled { unlink(temporary) }
    }
    try copy(length, from: source, to: target, temporary)
    var tail = schema.serialized()
    withUnsafeBytes(of: UInt64(tail.count).littleEndian) { tail.append(contentsOf: $0) }
    tail += magic
    try write(tail, to: target, temporary)
    guard fchmod(target, 0o755) == 0, fsync(target) == 0 else {
      throw failure("fsync \(temporary)")
    }
    guard rename(temporary, path) == 0 else { throw failure("rename \(temporary) to \(path)") }
    isInstalled = true
    let folder = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else { throw failure("open \(directory)") }
    defer { close(folder) }
    guard fsync(folder) == 0 else { throw failure("fsync \(directory)") }
  }

  // MARK: - Reading

  private static func findSchema(_ file: Int32) throws -> (offset: Int, length: Int)? {
    let size = try size(file)
    guard size > trailerBytes else { return nil }
    let trailer = try read(file, at: size - trailerBytes, count: trailerBytes)
    guard Array(trailer[8...]) == magic else { return nil }
    let length = trailer.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) }
    guard length <= UInt64(size - trailerBytes) else {
      throw Failure(
        description: "this server's schema is cut off; make it again with `seandb create`")
    }
    return (size - trailerBytes - Int(length), Int(length))
  }

  private static func openForReading(_ path: String) throws -> Int32 {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw failure("open \(path)") }
    return file
  }

  private static func size(_ file: Int32) throws -> Int {
    var status = stat()
    guard fstat(file, &status) == 0 else { throw failure("stat \(ownExecutable)") }
    return Int(status.st_size)
  }

  private static func read(_ file: Int32, at offset: Int, count: Int) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    var done = 0
    while done < count {
      let result = bytes.withUnsafeMutableBytes {
        pread(file, $0.baseAddress! + done, count - done, off_t(offset + done))
      }
      if result < 0 && errno == EINTR { continue }
      guard result > 0 else { throw failure("read \(ownExecutable)") }
      done += result
    }
    return bytes
  }

  // MARK: - Writing

  private static func copy(_ count: Int, from source: Int32, to target: Int32, _ path: String)
    throws
  {
    var offset: off_t = 0
    while Int(offset) < count {
      let copied = sendfile(target, source, &offset, count - Int(offset))
      if copied < 0 && errno == EINTR { continue }
      guard copied > 0 else { throw failure("write \(path)") }
    }
  }

  private static func write(_ bytes: [UInt8], to target: Int32, _ path: String) throws {
    var done = 0
    while done < bytes.count {
      let written = bytes.withUnsafeBytes {
        Glibc.write(target, $0.baseAddress! + done, bytes.count - done)
      }
      if written < 0 && errno == EINTR { continue }
      guard written > 0 else { throw failure("write \(path)") }
      done += written
    }
  }

  private static func failure(_ action: String) -> Failure {
    Failure(description: "cannot \(action): \(String(cString: strerror(errno)))")
  }
}
