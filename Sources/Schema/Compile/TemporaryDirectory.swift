import Glibc
import Platform

// SAFETY: a String lends its path, which ends with NUL, to a system call until that returns; a `stat` is lent likewise.
// A variable of the environment is copied before the next call.

/// A new, private directory that exists while a closure runs.
enum TemporaryDirectory {
  /// Makes the directory, runs `body` with its absolute path, and removes it with all that is in
  /// it, whether or not `body` throws.
  static func with<Result: Sendable>(
    _ body: (String) async throws(SchemaError) -> Result
  ) async throws(SchemaError) -> Result {
    let path = try make()
    defer { remove(path) }
    return try await body(path)
  }

  private static func make() throws(SchemaError) -> String {
    var parent = unsafe getenv("TMPDIR").map { unsafe String(cString: $0) } ?? "/tmp"
    // protoc gives `:` and `=` in a search path a meaning of their own.
    if !parent.hasPrefix("/") || parent.contains(":") || parent.contains("=") { parent = "/tmp" }
    while parent.count > 1 && parent.hasSuffix("/") { parent.removeLast() }
    var template = Array("\(parent)/seandb-XXXXXX".utf8CString)
    // SAFETY: mkdtemp changes the six X in place; the array is NUL-terminated.
    let made = unsafe template.withUnsafeMutableBufferPointer { buffer -> String? in
      guard let base = buffer.baseAddress, unsafe mkdtemp(base) != nil else { return nil }
      return unsafe String(cString: base)
    }
    guard let made else { throw .io(operation: "make a directory in", path: parent, code: errno) }
    return made
  }

  private static func remove(_ path: String) {
    // Without following links: those inside lead to the user's folders.
    var status = stat()
    if unsafe lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
      for name in Folder.names(in: path) ?? [] { remove(path + "/" + name) }
    }
    _ = unsafe Glibc.remove(path)
  }

  /// Writes a file below `root`, making `root` and the folders of the file's path.
  static func place(
    _ bytes: [UInt8], at relativePath: String, below root: String
  ) throws(SchemaError) {
    var folder = root
    let components = relativePath.split(separator: "/").dropLast()
    for component in [Substring()] + components {
      if !component.isEmpty { folder += "/" + component }
      if unsafe mkdir(folder, 0o700) != 0 && errno != EEXIST {
        throw .io(operation: "make the directory", path: folder, code: errno)
      }
    }
    let path = root + "/" + relativePath
    let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw .io(operation: "create", path: path, code: errno) }
    defer { close(descriptor) }
    try POSIXFile.write(bytes, to: descriptor, path: path)
  }

  static func link(_ target: String, at path: String) throws(SchemaError) {
    guard unsafe symlink(target, path) == 0 else {
      throw .io(operation: "link", path: path, code: errno)
    }
  }
}
