/// A message about a place in a schema file.
package struct Diagnostic: Sendable, Equatable {
  /// The file as the user named it; for imported files their import path.
  package let file: String
  /// 1-based.
  package let line: Int
  /// 1-based, counted in bytes with tab stops every 8 columns, as protoc counts.
  package let column: Int
  /// What is wrong and what to do; without a full stop.
  package let message: String
  /// The compatibility rule that is broken, such as `FIELD_WIRE_COMPATIBLE_TYPE`.
  package let rule: String?

  package init(file: String, line: Int, column: Int, message: String, rule: String? = nil) {
    self.file = file
    self.line = line
    self.column = column
    self.message = message
    self.rule = rule
  }
}

extension Diagnostic: CustomStringConvertible {
  /// `file:line:column: message`, then ` [RULE]` if there is one.
  package var description: String {
    "\(file):\(line):\(column): \(message)" + (rule.map { " [\($0)]" } ?? "")
  }
}
