import Foundation
import Schema

/// A folder of schema files that is gone when the test is over.
final class SchemaFolder {
  let path: String

  init(_ files: [String: String] = [:]) throws {
    path = FileManager.default.temporaryDirectory.path + "/schema-tests-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    for (name, text) in files { try write(name, Array(text.utf8)) }
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func write(_ name: String, _ bytes: [UInt8]) throws {
    let file = "\(path)/\(name)"
    try FileManager.default.createDirectory(
      atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try Data(bytes).write(to: URL(fileURLWithPath: file))
  }

  func read(_ name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(fileURLWithPath: "\(path)/\(name)")))
  }

  /// The files below the folder whose paths in it begin so.
  func fileNames(below prefix: String = "") throws -> Set<String> {
    Set(
      try FileManager.default.subpathsOfDirectory(atPath: path).filter {
        var isDirectory: ObjCBool = false
        return $0.hasPrefix(prefix)
          && FileManager.default.fileExists(atPath: "\(path)/\($0)", isDirectory: &isDirectory)
          && !isDirectory.boolValue
      })
  }

  func compile(
    _ name: String = "schema.proto", includeDirectories: [String] = [],
    databaseName: DatabaseName = .standard
  ) async throws(SchemaError) -> CompiledSchema {
    try await SchemaCompiler(
      includeDirectories: includeDirectories.map { "\(path)/\($0)" }, databaseName: databaseName
    ).compile("\(path)/\(name)")
  }
}

extension SchemaFolder {
  /// The violations of the schema; empty when it is accepted.
  func violations() async throws -> [Diagnostic] {
    do {
      _ = try await compile()
      return []
    } catch {
      guard case .invalid(let diagnostics) = error else { throw error }
      return diagnostics
    }
  }
}

/// Compiles one file.
func compile(_ text: String) async throws -> CompiledSchema {
  try await SchemaFolder(["schema.proto": text]).compile()
}

/// Runs a program and returns its exit code and output; nil when it is not installed.
func runProgram(_ arguments: [String], in folder: String) throws -> (code: Int32, output: String)? {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
  process.arguments = arguments
  process.currentDirectoryURL = URL(fileURLWithPath: folder)
  let pipe = Pipe()
  process.standardOutput = pipe
  process.standardError = pipe
  try process.run()
  let output = pipe.fileHandleForReading.readDataToEndOfFile()
  process.waitUntilExit()
  // env's way of saying that there is no such program.
  if process.terminationStatus == 127 { return nil }
  return (process.terminationStatus, String(decoding: output, as: UTF8.self))
}

let seedSchema = """
  syntax = "proto3";
  package database;

  message Dog {
    string pk = 1;

    string name = 2;
    uint32 age = 3;
    string breed = 4;
  }

  """
