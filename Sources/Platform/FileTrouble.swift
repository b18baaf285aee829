import Glibc

/// What a person reads when the system refuses a file or a folder: what happened, and what to do.
package enum FileTrouble {
  /// Completes `cannot open PATH: …`. Looks at the path again, for links and files that are in the way of it.
  ///
  /// - Parameters:
  ///   - code: the `errno` of the call.
  ///   - path: where it failed, as the user gave it.
  package static func sentences(for code: Int32, at path: String) -> String {
    switch code {
    case ENOENT:
      if let (link, target) = deadLink(in: path) {
        let what = link == path ? "it" : link
        return
          "\(what) is a link to \(target), which is not there. Mend the link, or name another path"
      }
    case ENOTDIR:
      if let file = fileAmongFolders(of: path) {
        return "\(file) is a file, not a directory. Name another path"
      }
    default: break
    }
    return "\(words(for: code)). \(advice(for: code))"
  }

  /// The system's own words.
  package static func words(for code: Int32) -> String {
    // SAFETY: strerror returns a NUL-terminated string that stays valid until the next call here.
    guard let text = unsafe strerror(code) else { return "error \(code)" }
    return unsafe String(cString: text)
  }

  private static func advice(for code: Int32) -> String {
    switch code {
    case ENOENT: "Check the path"
    case ENOTDIR: "Name a path that leads through folders only"
    case EISDIR: "Name a file"
    case EACCES, EPERM: "Give this user the right to it (chmod, chown), or name another path"
    case EROFS: "Mount the file system for writing, or name another path"
    case ENAMETOOLONG: "Name a shorter path"
    case ELOOP: "Mend the links, which lead in a circle, or name another path"
    case ENOSPC, EDQUOT: "Free space"
    case EMFILE, ENFILE: "Raise the limit of open files (ulimit -n)"
    default: "Check the disk"
    }
  }

  // MARK: - Parts of a path

  /// The folders that lead to a path, outer ones first, and the path itself.
  private static func parts(of path: String) -> [String] {
    var parts = path.indices.dropFirst().filter { path[$0] == "/" }.map { String(path[..<$0]) }
    parts.append(path)
    return parts
  }

  /// The first link on the way whose target is not there.
  private static func deadLink(in path: String) -> (link: String, target: String)? {
    for part in parts(of: path) {
      guard let target = target(ofLink: part), unsafe access(part, F_OK) != 0 else { continue }
      return (part, target)
    }
    return nil
  }

  /// Where a link leads; nil when it is none.
  package static func target(ofLink path: String) -> String? {
    var target = [CChar](repeating: 0, count: Int(PATH_MAX))
    let length = unsafe readlink(path, &target, target.count)
    guard length >= 0 else { return nil }
    return String(decoding: target.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  private static func fileAmongFolders(of path: String) -> String? {
    parts(of: path).first { part in
      var status = stat()
      return unsafe stat(part, &status) == 0 && status.st_mode & S_IFMT != S_IFDIR
    }
  }
}
