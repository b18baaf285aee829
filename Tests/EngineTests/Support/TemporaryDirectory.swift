import Foundation

/// A fresh directory.
final class TemporaryDirectory: Sendable {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "engine-tests-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  func remove() { try? FileManager.default.removeItem(atPath: path) }

  /// A path inside; nothing is created.
  func path(_ name: String) -> String { path + "/" + name }
}

/// Reads and rewrites whole files: the damage that tests do.
enum TestFile {
  static func names(in directory: String, suffix: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: directory)
      .filter { $0.hasSuffix(suffix) }.sorted().map { directory + "/" + $0 }
  }

  static func read(_ path: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(fileURLWithPath: path)))
  }

  static func write(_ bytes: [UInt8], to path: String) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: path))
  }

  static func remove(_ path: String) throws { try FileManager.default.removeItem(atPath: path) }

  static func copyDirectory(_ source: String, to target: String) throws {
    try FileManager.default.copyItem(atPath: source, toPath: target)
  }
}
