import Glibc

/// The files of this repository.
enum Repository {
  struct File {
    let path: String
    let text: String

    var lines: [Substring] { text.split(separator: "\n", omittingEmptySubsequences: false) }
  }

  /// The top folder.
  static let root: String = {
    var parts = #filePath.split(separator: "/", omittingEmptySubsequences: false)
    parts.removeLast(3)
    return parts.joined(separator: "/")
  }()

  /// Every Swift file that people write.
  static let swift = ["Sources", "Tests", "Bench", "Fuzz"].flatMap {
    files(under: $0, suffix: ".swift")
  }

  static let pages = files(under: "docs", suffix: ".md")

  static func files(under folder: String, suffix: String) -> [File] {
    var found: [File] = []
    guard let stream = opendir(root + "/" + folder) else { return [] }
    defer { closedir(stream) }
    while let entry = readdir(stream) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) {
        String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      guard !name.hasPrefix(".") else { continue }
      let path = folder.isEmpty ? name : folder + "/" + name
      if entry.pointee.d_type == UInt8(DT_DIR) {
        found += files(under: path, suffix: suffix)
      } else if name.hasSuffix(suffix), let text = read(root + "/" + path) {
        found.append(File(path: path, text: text))
      }
    }
    return found
  }

  static func read(_ path: String) -> String? {
    guard let file = fopen(path, "r") else { return nil }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while case let count = fread(&chunk, 1, chunk.count, file), count > 0 {
      bytes += chunk[..<count]
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
