import Subprocess

/// Runs `protoc` and reads what it says.
struct Protoc: Sendable {
  /// A name to look up on the PATH.
  let program: String

  /// What a run printed, when it succeeded.
  struct Output: Sendable {
    let warnings: [Diagnostic]
  }

  private static let outputLimitBytes = 16 << 20

  /// Writes the descriptors of `file` and all that it imports.
  ///
  /// - Parameters:
  ///   - file: absolute path of the root file, below the first of `searchPath`.
  ///   - searchPath: absolute directories without `:` and `=`.
  ///   - displayName: turns a file's import path into the name that diagnostics use.
  /// - Throws: `invalid` with everything that protoc found.
  func compile(
    _ file: String, searchPath: [String], includingSourceInfo: Bool, to output: String,
    displayName: @Sendable (String) -> String
  ) async throws(SchemaError) -> Output {
    var arguments = ["--descriptor_set_out=\(output)", "--include_imports"]
    if includingSourceInfo { arguments.append("--include_source_info") }
    arguments += searchPath.map { "--proto_path=\($0)" }
    arguments.append(file)
    let (succeeded, text) = try await run(arguments)
    let messages = Self.parse(text, displayName: displayName)
    if succeeded { return Output(warnings: messages.warnings) }
    guard !messages.errors.isEmpty else { throw .protocFailed(output: text) }
    throw .invalid(messages.errors)
  }

  private func run(_ arguments: [String]) async throws(SchemaError) -> (Bool, String) {
    do {
      let result = try await Subprocess.run(
        .name(program), arguments: Arguments(arguments), input: .none,
        output: .bytes(limit: Self.outputLimitBytes),
        error: .bytes(limit: Self.outputLimitBytes))
      let said = result.standardError + result.standardOutput
      return (result.terminationStatus.isSuccess, String(decoding: said, as: UTF8.self))
    } catch let error as SubprocessError where error.code == .executableNotFound {
      throw .protocMissing(program: program)
    } catch {
      throw .protocFailed(output: "\(error)")
    }
  }

  // MARK: - Reading messages

  struct Messages: Equatable {
    var errors: [Diagnostic] = []
    var warnings: [Diagnostic] = []
  }

  /// Reads `file:line:column: [warning: ]message` and `file: message` lines.
  ///
  /// A line in neither form belongs to the message before it, or is dropped: protoc's own log lines
  /// repeat what its messages say.
  static func parse(_ text: String, displayName: (String) -> String) -> Messages {
    var messages = Messages()
    for line in text.split(whereSeparator: \.isNewline) where !line.hasPrefix("[libprotobuf ") {
      guard let (file, position, message) = split(line) else { continue }
      let isWarning = message.hasPrefix("warning: ")
      let diagnostic = Diagnostic(
        file: displayName(String(file)), line: position?.line ?? 1, column: position?.column ?? 1,
        message: String(isWarning ? message.dropFirst("warning: ".count) : message))
      if isWarning {
        messages.warnings.append(diagnostic)
      } else {
        messages.errors.append(diagnostic)
      }
    }
    return messages
  }

  private static func split(
    _ line: Substring
  ) -> (file: Substring, position: (line: Int, column: Int)?, message: Substring)? {
    // The first `:digits:digits: ` ends the file's name, which may itself hold colons.
    let parts = line.split(separator: ":", omittingEmptySubsequences: false)
    if parts.count >= 4 {
      for index in 1..<(parts.count - 2) {
        guard let row = Int(parts[index]), let column = Int(parts[index + 1]),
          parts[index + 2].hasPrefix(" ")
        else { continue }
        let file = line[..<parts[index - 1].endIndex]
        return (file, (row, column), line[line.index(after: parts[index + 2].startIndex)...])
      }
    }
    guard parts.count >= 2, parts[1].hasPrefix(" "), parts[0].hasSuffix(".proto") else {
      return nil
    }
    return (parts[0], nil, line[line.index(after: parts[1].startIndex)...])
  }
}
