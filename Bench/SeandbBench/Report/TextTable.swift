/// Aligned text: the first columns to the left, the rest to the right. Columns without text are left out.
struct TextTable {
  private let leftColumnCount: Int
  private var rows: [[String]]

  init(header: [String], leftColumnCount: Int) {
    rows = [header]
    self.leftColumnCount = leftColumnCount
  }

  mutating func add(_ row: [String]) { rows.append(row) }

  var text: String {
    let widths = rows[0].indices.map { column in
      rows.dropFirst().allSatisfy { $0[column].isEmpty }
        ? 0 : rows.map { $0[column].count }.max() ?? 0
    }
    return rows.map { row in
      var line = ""
      for (column, cell) in row.enumerated() where widths[column] > 0 {
        let padding = String(repeating: " ", count: widths[column] - cell.count)
        line += column < leftColumnCount ? cell + padding : padding + cell
        line += "  "
      }
      while line.last == " " { line.removeLast() }
      return line
    }.joined(separator: "\n")
  }
}
