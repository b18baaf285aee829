import Glibc

// SAFETY: a String lends its path, which ends with NUL, to a system call until that returns.

/// A directory whose files are replaced together: all or none, as far as a file system can.
///
/// ``stage(_:mode:_:)`` writes each file beside its place and syncs it; ``commit()`` renames them in the
/// order of their staging. What can fail for want of space, rights or a free path has failed before the
/// first rename; until then ``discard()`` leaves everything as it was found, folders too.
///
/// Thread-safety: confined to one thread.
final class OutputDirectory {
  private struct Staged {
    /// The descriptor of its folder.
    let folder: Int32
    let temporary: String
    let name: String
    let path: String
  }

  private let path: String
  private let root: Int32
  private var staged: [Staged] = []
  /// Paths of the folders that were made, outer ones first.
  private var madeFolders: [String] = []

  /// Opens the directory, which is made if it is missing, as are those around it.
  init(_ path: String) throws(SchemaError) {
    self.path = path
    root = try Self.open(path, made: &madeFolders)
  }

  deinit {
    for file in staged { close(file.folder) }
    close(root)
  }

  private static func open(_ path: String, made: inout [String]) throws(SchemaError) -> Int32 {
    do throws(SchemaError) {
      var reached = path.hasPrefix("/") ? "/" : ""
      for component in path.split(separator: "/") {
        reached += component + "/"
        if unsafe mkdir(reached, 0o777) == 0 {
          made.append(reached)
        } else if errno != EEXIST {
          throw .io(operation: "make the directory", path: reached, code: errno)
        }
      }
      let root = unsafe Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
      guard root >= 0 else { throw .io(operation: "open", path: path, code: errno) }
      return root
    } catch {
      for folder in made.reversed() { unsafe rmdir(folder) }
      throw error
    }
  }

  // MARK: - Staging

  /// Writes a file beside its place.
  ///
  /// - Parameter body: writes the contents to a descriptor; the path is for its errors.
  /// - Throws: also when a folder of the file is a link: it could lead out of the directory.
  func stage(
    _ relativePath: String, mode: mode_t = 0o666,
    _ body: (Int32, String) throws(SchemaError) -> Void
  ) throws(SchemaError) {
    let full = "\(path)/\(relativePath)"
    let components = relativePath.split(separator: "/").map(String.init)
    guard let name = components.last else { throw .unsafePath(relativePath) }
    let folder = try openFolder(components.dropLast(), of: full)
    let temporary = ".\(name).\(getpid()).\(UInt64.random(in: 0 ... .max))"
    let file = unsafe openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
    guard file >= 0 else {
      let code = errno
      close(folder)
      throw .io(operation: "create", path: full, code: code)
    }
    defer { close(file) }
    staged.append(Staged(folder: folder, temporary: temporary, name: name, path: full))
    try body(file, full)
    // An executable is one whatever the umask says.
    if mode & 0o111 != 0 && fchmod(file, mode) != 0 {
      throw .io(operation: "make executable", path: full, code: errno)
    }
    guard fsync(file) == 0 else { throw .io(operation: "sync", path: full, code: errno) }
  }

  /// Opens the folder of a file, which is made if it is missing. The caller closes it.
  private func openFolder(
    _ components: ArraySlice<String>, of full: String
  ) throws(SchemaError) -> Int32 {
    var folder = dup(root)
    guard folder >= 0 else { throw .io(operation: "open", path: path, code: errno) }
    var reached = path
    for component in components {
      reached += "/" + component
      if unsafe mkdirat(folder, component, 0o777) == 0 {
        madeFolders.append(reached)
      } else if errno != EEXIST {
        let code = errno
        close(folder)
        throw .io(operation: "make the directory", path: full, code: code)
      }
      let next = unsafe openat(folder, component, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
      let code = errno
      close(folder)
      guard next >= 0 else { throw .io(operation: "open the folder of", path: full, code: code) }
      folder = next
    }
    return folder
  }

  // MARK: - End

  /// Puts all staged files into their places and syncs their folders.
  func commit() throws(SchemaError) {
    while let file = staged.first {
      guard unsafe renameat(file.folder, file.temporary, file.folder, file.name) == 0 else {
        throw .io(operation: "replace", path: file.path, code: errno)
      }
      // What is in its place is no longer ours to take away.
      madeFolders = []
      staged.removeFirst()
      defer { close(file.folder) }
      guard fsync(file.folder) == 0 else {
        throw .io(operation: "sync the folder of", path: file.path, code: errno)
      }
    }
  }

  /// Takes away what is not committed.
  func discard() {
    for file in staged {
      unsafe unlinkat(file.folder, file.temporary, 0)
      close(file.folder)
    }
    staged = []
    for folder in madeFolders.reversed() { unsafe rmdir(folder) }
    madeFolders = []
  }
}
