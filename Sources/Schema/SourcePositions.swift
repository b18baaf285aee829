import SwiftProtobuf

/// Where the declarations of a schema file are, by descriptor path
/// (google/protobuf/descriptor.proto, `SourceCodeInfo.Location.path`).
struct SourcePositions: Sendable, Equatable {
  /// 1-based.
  struct Position: Sendable, Equatable {
    let line: Int
    let column: Int
  }

  /// The file's import path in the served descriptors.
  let file: String
  /// How diagnostics name it.
  let displayName: String
  private(set) var positions: [[Int32]: Position]

  init(file: String, displayName: String, positions: [[Int32]: Position] = [:]) {
    self.file = file
    self.displayName = displayName
    self.positions = positions
  }

  init(file: String, displayName: String, info: Google_Protobuf_SourceCodeInfo) {
    self.init(file: file, displayName: displayName)
    for location in info.location where location.span.count >= 2 {
      let position = Position(line: Int(location.span[0]) + 1, column: Int(location.span[1]) + 1)
      // A path may be there twice (an `extend` block around its first extension): the first is
      // kept.
      if positions[location.path] == nil { positions[location.path] = position }
    }
  }

  /// The position of the declaration, or of the nearest one around it, or the file's first line.
  func position(of path: [Int32]) -> Position {
    var path = path
    while !path.isEmpty {
      if let position = positions[path] { return position }
      path.removeLast()
    }
    return Position(line: 1, column: 1)
  }

  func diagnostic(at path: [Int32], _ message: String, rule: String? = nil) -> Diagnostic {
    let position = position(of: path)
    return Diagnostic(
      file: displayName, line: position.line, column: position.column, message: message, rule: rule)
  }
}

/// Field numbers of descriptor.proto, the components of a ``SourcePositions`` path.
enum DescriptorPath {
  static let package: Int32 = 2
  static let dependency: Int32 = 3
  static let message: Int32 = 4
  static let fileEnum: Int32 = 5
  static let service: Int32 = 6
  static let fileExtension: Int32 = 7
  static let fileOptions: Int32 = 8
  static let syntax: Int32 = 12

  static let name: Int32 = 1
  static let messageField: Int32 = 2
  static let nestedMessage: Int32 = 3
  static let nestedEnum: Int32 = 4
  static let nestedExtension: Int32 = 6
  static let messageOptions: Int32 = 7
  static let enumValue: Int32 = 2
  static let fieldLabel: Int32 = 4
  static let fieldType: Int32 = 5
  static let fieldTypeName: Int32 = 6
  static let fieldDefault: Int32 = 7
  static let fieldOptions: Int32 = 8
  static let fieldExtendee: Int32 = 2
  static let method: Int32 = 2
  static let methodInput: Int32 = 2
  static let methodOutput: Int32 = 3
}
