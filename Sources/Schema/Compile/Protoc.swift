import Glibc
import Subprocess

// SAFETY: the name of a signal is NUL-terminated, and stays until the next call of `strsignal`: it is copied at once.

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
  ///   - directory: the temporary directory of this compilation: no message names what is in it.
  ///   - displayName: turns a file's import path into the name that diagnostics use.
  /// - Throws: `invalid` with everything that protoc found.
  func compile(
    _ file: String, searchPath: [String], includingSourceInfo: Bool, to output: String,
    in directory: String, displayName: @Sendable (String) -> String
  ) async throws(SchemaError) -> Output {
    var arguments = ["--descriptor_set_out=\(output)", "--include_imports"]
    if includingSourceInfo { arguments.append("--include_source_info") }
    arguments += searchPath.map { "--proto_path=\($0)" }
    arguments.append(file)
    let (succeeded, said) = try await run(arguments)
    let text = Self.withoutTemporaryPaths(said, directory: directory)
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
      let said = String(
        decoding: result.standardError + result.standardOutput, as: UTF8.self)
      if case .signaled(let signal) = result.terminationStatus {
        let reason = "\(program) was ended by signal \(signal) (\(Self.name(ofSignal: signal)))"
        throw SchemaError.protocFailed(output: said.isEmpty ? reason : "\(reason)\n\(said)")
      }
      return (result.terminationStatus.isSuccess, said)
    } catch let error as SchemaError {
      throw error
    } catch let error as SubprocessError where error.code == .executableNotFound {
      throw .protocMissing(program: program)
    } catch {
      throw .protocFailed(output: "\(error)")
    }
  }

  private static func name(ofSignal signal: Int32) -> String {
    unsafe strsignal(signal).map { unsafe String(cString: $0) } ?? "unknown"
  }

  // MARK: - Reading messages

  /// Turns paths below the temporary directory into import paths.
  ///
  /// Older versions of protoc name a file by its import path, newer ones (30 and later) by where they
  /// found it: `/tmp/seandb-XXXXXX/include0/a.proto`. What comes before the directory's own name is
  /// not looked at, so that a path may be relative or lead through links.
  static func withoutTemporaryPaths(_ text: String, directory: String) -> String {
    let name = POSIXFile.split(directory).name + "/"
    var result = ""
    var rest = text[...]
    while let found = rest.firstRange(of: name) {
      let before = rest[..<found.lowerBound]
      let start =
        before.lastIndex { $0.isWhitespace || $0 == "\"" || $0 == "'" || $0 == "=" }
        .map(before.index(after:)) ?? before.startIndex
      result += before[..<start]
      rest = rest[found.upperBound...]
      // The folder in which this compiler put the file: root, include0, out.
      if let slash = rest.firstIndex(of: "/"),
        rest[..<slash].allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber) })
      {
        rest = rest[rest.index(after: slash)...]
      }
    }
    return result + rest
  }

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
      let text = String(isWarning ? message.dropFirst("warning: ".count) : message)
      let diagnostic = Diagnostic(
        file: displayName(String(file)), line: position?.line ?? 1, column: position?.column ?? 1,
        message: text)
      if isWarning {
        messages.warnings.append(diagnostic)
      } else {
        messages.errors.append(diagnostic)
      }
    }
    messages.errors = ProtocAdvice.added(to: messages.errors)
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
