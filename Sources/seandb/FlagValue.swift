import ArgumentParser
import Engine
import Logging
import Platform

/// A value that stands behind a flag, which says itself what the flag takes.
protocol FlagValue {
  /// - Throws: what goes behind the flag's name: `takes …`.
  init(flag text: String) throws(FlagProblem)
  var flagText: String { get }
  /// All there are, if they are few.
  static var flagTexts: [String] { get }
}

extension FlagValue {
  static var flagTexts: [String] { [] }
}

struct FlagProblem: Error {
  let sentence: String

  init(_ sentence: String) { self.sentence = sentence }

  /// `"loud" is not one`, for a value that a flag does not take.
  static func notOne(_ text: String) -> String {
    text.isEmpty ? "it is empty" : "\"\(text)\" is not one"
  }
}

/// A flag's value as it was given. The parser takes any; ``value(of:)``, called by the command's `validate`,
/// says in the flag's own words what is wrong: the parser's words know nothing of it.
struct Given<Value: FlagValue>: ExpressibleByArgument {
  private let result: Result<Value, FlagProblem>
  private let text: String

  init(_ value: Value) {
    result = .success(value)
    text = value.flagText
  }

  init?(argument: String) {
    text = argument
    do throws(FlagProblem) {
      result = .success(try Value(flag: argument))
    } catch {
      result = .failure(error)
    }
  }

  var defaultValueDescription: String { text }
  static var allValueStrings: [String] { Value.flagTexts }

  /// Once the command is validated.
  var value: Value {
    guard case .success(let value) = result else {
      preconditionFailure("the command was not validated")
    }
    return value
  }

  /// - Throws: for a value that the flag does not take.
  @discardableResult
  func value(of flag: String) throws -> Value {
    do {
      return try result.get()
    } catch {
      throw ValidationError("\(flag) \(error.sentence)")
    }
  }
}

// MARK: - Words

/// A choice among few words.
protocol WordFlag: FlagValue, RawRepresentable, CaseIterable where RawValue == String {}

extension WordFlag {
  init(flag text: String) throws(FlagProblem) {
    guard let value = Self(rawValue: text) else {
      throw FlagProblem("takes \(Self.list); \(FlagProblem.notOne(text))")
    }
    self = value
  }

  var flagText: String { rawValue }
  static var flagTexts: [String] { allCases.map(\.rawValue) }

  private static var list: String {
    flagTexts.dropLast().joined(separator: ", ") + " or \(flagTexts.last ?? "")"
  }
}

/// `--log-level`: swift-log's levels by their names.
extension Logger.Level: WordFlag {}

/// `--durability`.
enum DurabilityOption: String, WordFlag {
  case sync
  case buffered
}

/// `--compression`.
extension TableCompression: WordFlag {}

/// `--answer-compression`.
enum AnswerCompressionOption: String, WordFlag {
  case none
  case gzip
}

// MARK: - Numbers

/// `--event-loops`.
struct ThreadCount: FlagValue {
  let count: Int

  init(flag text: String) throws(FlagProblem) {
    guard let count = Int(text), (1...1024).contains(count) else {
      throw FlagProblem("takes a number from 1 to 1024; \(FlagProblem.notOne(text))")
    }
    self.count = count
  }

  var flagText: String { String(count) }
}

/// `--max-transaction-writes`.
struct WriteCount: FlagValue {
  let count: Int

  init(count: Int) { self.count = count }

  init(flag text: String) throws(FlagProblem) {
    guard let count = Int(text), (1...100_000).contains(count) else {
      throw FlagProblem("takes a number from 1 to 100000; \(FlagProblem.notOne(text))")
    }
    self.count = count
  }

  var flagText: String { String(count) }
}

extension ByteSize: FlagValue {
  init(flag text: String) throws(FlagProblem) {
    guard let size = ByteSize(text) else {
      throw FlagProblem(
        "takes a number of bytes, or one with K, M or G, such as 256M; \(FlagProblem.notOne(text))")
    }
    self = size
  }

  var flagText: String { description }
}

/// `--cache-size`.
enum CacheSize: FlagValue {
  /// A share of the memory that the process may use.
  case auto
  case size(ByteSize)

  init(flag text: String) throws(FlagProblem) {
    if text == "auto" {
      self = .auto
    } else if let size = ByteSize(text) {
      self = .size(size)
    } else {
      throw FlagProblem(
        "takes auto, a number of bytes, or one with K, M or G, such as 256M; \(FlagProblem.notOne(text))"
      )
    }
  }

  var flagText: String {
    switch self {
    case .auto: "auto"
    case .size(let size): size.flagText
    }
  }
}

extension Given<CacheSize> {
  /// - Throws: for a size that is none, or is out of the bounds.
  func check(_ flag: String, from least: Int, to most: Int) throws {
    if case .size(let size) = try value(of: flag) {
      try Given<ByteSize>.check(size, defaultValueDescription, flag, from: least, to: most)
    }
  }
}

extension Given<ByteSize> {
  /// - Throws: for a size that is none, or is out of the bounds.
  func check(_ flag: String, from least: Int, to most: Int) throws {
    try Self.check(try value(of: flag), defaultValueDescription, flag, from: least, to: most)
  }

  /// - Parameter text: as the size was given.
  static func check(
    _ size: ByteSize, _ text: String, _ flag: String, from least: Int, to most: Int
  ) throws {
    guard (least...most).contains(size.bytes) else {
      let bounds = [least, most].map { ByteSize(bytes: $0).flagText }
      throw ValidationError(
        "\(flag) takes a size from \(bounds[0]) to \(bounds[1]); \"\(text)\" is not in it")
    }
  }
}
