import ArgumentParser

/// A flag's list of names: `a,b,c`.
struct CommaList<Element>: ExpressibleByArgument, Sendable
where Element: RawRepresentable<String> & CaseIterable & Hashable & Sendable {
  /// In the order given, each once; at least one.
  let elements: [Element]

  /// All there are.
  init() { elements = Array(Element.allCases) }

  init(_ elements: [Element]) { self.elements = elements }

  init?(argument: String) {
    var elements: [Element] = []
    for name in argument.split(separator: ",") {
      guard let element = Element(rawValue: String(name)) else { return nil }
      if !elements.contains(element) { elements.append(element) }
    }
    guard !elements.isEmpty else { return nil }
    self.elements = elements
  }

  var defaultValueDescription: String { elements.map(\.rawValue).joined(separator: ",") }
}
