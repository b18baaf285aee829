import Glibc
import Schema

// SAFETY: arrays lend their bytes to a closure or a system call until that returns, within their count; a number is
// loaded where its caller has seen that the bytes are there. A path ends with NUL, and so does the text of an error,
// which is copied before the next one.

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
  /// What a compiled schema begins with.
  private static let schemaMagic = Array("SEANDBSC".utf8)

  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  /// The schema inside this program; nil when it is the plain tool.
  static func load() throws -> CompiledSchema? {
    let file = try openOwnExecutable()
    defer { close(file) }
    guard let (offset, length) = try findSchema(file) else {
      // A tool ends where its executable ends, and a server that was cut does not.
      if let end = try executableEnd(file), try size(file) != end { throw cutShort }
      return nil
    }
    let bytes = try read(file, at: offset, count: length)
    return try unsafe bytes.withUnsafeBytes { try CompiledSchema(serialized: $0) }
  }

  private static let cutShort = Failure(
    description:
      "this program's file is cut short, or was changed since it was written. Make a server again with "
      + "`seandb create`, or install the tool again")

  /// The schema of the server that a new one would replace; nil when nothing is there, or a server whose
  /// schema is damaged or of another version.
  ///
  /// - Throws: `inTheWay` when what is there is no server of ours.
  static func schema(ofServerAt path: String) throws(SchemaError) -> CompiledSchema? {
    if let what = POSIXFile.whatIsNoFile(path) { throw .inTheWay(path: path, what: what) }
    let file = unsafe open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
    guard file >= 0 else {
      if errno == ENOENT { return nil }
      throw .io(operation: "open", path: path, code: errno)
    }
    defer { close(file) }
    do {
      guard let (offset, length) = try findSchema(file) else {
        if try isCutServer(file) { return nil }
        throw SchemaError.inTheWay(path: path, what: "no server that seandb made")
      }
      let bytes = try read(file, at: offset, count: length)
      return try unsafe bytes.withUnsafeBytes { try CompiledSchema(serialized: $0) }
    } catch SchemaError.inTheWay(let path, let what) {
      throw .inTheWay(path: path, what: what)
    } catch {
      return nil
    }
  }

  // MARK: - Reading

  private static func openOwnExecutable() throws -> Int32 {
    let file = unsafe open("/proc/self/exe", O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw failure("open the program's own file, /proc/self/exe") }
    return file
  }

  private static func findSchema(_ file: Int32) throws -> (offset: Int, length: Int)? {
    let size = try size(file)
    guard size > trailerBytes else { return nil }
    let trailer = try read(file, at: size - trailerBytes, count: trailerBytes)
    guard Array(trailer[8...]) == magic else { return nil }
    let length = unsafe trailer.withUnsafeBytes {
      unsafe UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self))
    }
    guard length <= UInt64(size - trailerBytes) else {
      throw cutShort
    }
    return (size - trailerBytes - Int(length), Int(length))
  }

  /// Where the executable of a file ends, by its ELF header and sections; nil when it is none, or has no sections.
  private static func executableEnd(_ file: Int32) throws -> Int? {
    let fileSize = try size(file)
    guard fileSize >= 64 else { return nil }
    let header = try read(file, at: 0, count: 64)
    guard header.starts(with: [0x7f, 0x45, 0x4c, 0x46, 2, 1]) else { return nil }
    func number<Value: FixedWidthInteger>(
      _ bytes: [UInt8], _ offset: Int, _ type: Value.Type
    ) -> Int {
      unsafe bytes.withUnsafeBytes {
        unsafe Int(
          clamping: Value(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: type)))
      }
    }
    // e_shoff, e_shentsize, e_shnum; of a section sh_type, sh_offset and sh_size (elf(5)).
    let table = number(header, 40, UInt64.self)
    let entryBytes = number(header, 58, UInt16.self)
    let count = number(header, 60, UInt16.self)
    guard table > 0, entryBytes >= 64, count > 0 else { return nil }
    var (end, isHuge) = table.addingReportingOverflow(entryBytes * count)
    guard !isHuge, end <= fileSize else { return end }
    let sections = try read(file, at: table, count: entryBytes * count)
    let sectionWithoutBytes = 8
    for index in 0..<count
    where number(sections, index * entryBytes + 4, UInt32.self) != sectionWithoutBytes {
      let offset = number(sections, index * entryBytes + 24, UInt64.self)
      let (last, overflow) = offset.addingReportingOverflow(
        number(sections, index * entryBytes + 32, UInt64.self))
      isHuge = isHuge || overflow
      end = max(end, last)
    }
    return isHuge ? nil : end
  }

  /// Whether a file without a schema at its end was a server: it has a schema behind its executable, or begins as
  /// this program does.
  private static func isCutServer(_ file: Int32) throws -> Bool {
    let fileSize = try size(file)
    if let end = try executableEnd(file), end + schemaMagic.count <= fileSize,
      try read(file, at: end, count: schemaMagic.count) == schemaMagic
    {
      return true
    }
    let own = try openOwnExecutable()
    defer { close(own) }
    let count = min(fileSize, 4096)
    guard count >= 64 else { return false }
    return try read(file, at: 0, count: count) == read(own, at: 0, count: count)
  }

  private static func size(_ file: Int32) throws -> Int {
    var status = stat()
    guard unsafe fstat(file, &status) == 0 else { throw failure("stat the program's own file") }
    return Int(status.st_size)
  }

  private static func read(_ file: Int32, at offset: Int, count: Int) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    var done = 0
    while done < count {
      let result = unsafe bytes.withUnsafeMutableBytes {
        unsafe pread(file, $0.baseAddress! + done, count - done, off_t(offset + done))
      }
      if result < 0 && errno == EINTR { continue }
      guard result > 0 else { throw failure("read the schema at the end of the program") }
      done += result
    }
    return bytes
  }

  private static func failure(_ action: String) -> Failure {
    Failure(description: unsafe "cannot \(action): \(String(cString: strerror(errno)))")
  }

  // MARK: - Writing

  /// A server, to be written to a file: a copy of this program with `schema` at its end.
  static func server(with schema: CompiledSchema, named name: String) throws -> SchemaWriter.Program
  {
    let source = try openOwnExecutable()
    let length = try findSchema(source)?.offset ?? size(source)
    var tail = schema.serialized()
    unsafe withUnsafeBytes(of: UInt64(tail.count).littleEndian) {
      unsafe tail.append(contentsOf: $0)
    }
    tail += magic
    return SchemaWriter.Program(name: name) { [tail] target, path throws(SchemaError) in
      var offset: off_t = 0
      while Int(offset) < length {
        let copied = unsafe sendfile(target, source, &offset, length - Int(offset))
        if copied < 0 && errno == EINTR { continue }
        guard copied > 0 else {
          throw .io(operation: "write", path: path, code: copied == 0 ? EIO : errno)
        }
      }
      try POSIXFile.write(tail, to: target, path: path)
    }
  }
}
