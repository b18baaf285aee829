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

  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  /// The schema inside this program; nil when it is the plain tool.
  static func load() throws -> CompiledSchema? {
    let file = try openOwnExecutable()
    defer { close(file) }
    guard let (offset, length) = try findSchema(file) else { return nil }
    let bytes = try read(file, at: offset, count: length)
    return try bytes.withUnsafeBytes { try CompiledSchema(serialized: $0) }
  }

  /// The schema of the server that a new one would replace; nil when nothing is there, or a server whose
  /// schema is damaged or of another version.
  ///
  /// - Throws: `inTheWay` when what is there is no server of ours.
  static func schema(ofServerAt path: String) throws(SchemaError) -> CompiledSchema? {
    if let what = POSIXFile.whatIsNoFile(path) { throw .inTheWay(path: path, what: what) }
    let file = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
    guard file >= 0 else {
      if errno == ENOENT { return nil }
      throw .io(operation: "open", path: path, code: errno)
    }
    defer { close(file) }
    do {
      guard let (offset, length) = try findSchema(file) else {
        throw SchemaError.inTheWay(path: path, what: "no server that seandb made")
      }
      let bytes = try read(file, at: offset, count: length)
      return try bytes.withUnsafeBytes { try CompiledSchema(serialized: $0) }
    } catch SchemaError.inTheWay(let path, let what) {
      throw .inTheWay(path: path, what: what)
    } catch {
      return nil
    }
  }

  // MARK: - Reading

  private static func openOwnExecutable() throws -> Int32 {
    let file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw failure("open the program's own file, /proc/self/exe") }
    return file
  }

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

  private static func size(_ file: Int32) throws -> Int {
    var status = stat()
    guard fstat(file, &status) == 0 else { throw failure("stat the program's own file") }
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
      guard result > 0 else { throw failure("read the schema at the end of the program") }
      done += result
    }
    return bytes
  }

  private static func failure(_ action: String) -> Failure {
    Failure(description: "cannot \(action): \(String(cString: strerror(errno)))")
  }

  // MARK: - Writing

  /// A server, to be written to a file: a copy of this program with `schema` at its end.
  static func server(with schema: CompiledSchema, named name: String) throws -> SchemaWriter.Program
  {
    let source = try openOwnExecutable()
    let length = try findSchema(source)?.offset ?? size(source)
    var tail = schema.serialized()
    withUnsafeBytes(of: UInt64(tail.count).littleEndian) { tail.append(contentsOf: $0) }
    tail += magic
    return SchemaWriter.Program(name: name) { [tail] target, path throws(SchemaError) in
      var offset: off_t = 0
      while Int(offset) < length {
        let copied = sendfile(target, source, &offset, length - Int(offset))
        if copied < 0 && errno == EINTR { continue }
        guard copied > 0 else {
          throw .io(operation: "write", path: path, code: copied == 0 ? EIO : errno)
        }
      }
      try POSIXFile.write(tail, to: target, path: path)
    }
  }
}
