/// The back ends of a program, at least one.
package struct EngineList: Equatable, Sendable {
  /// In the order in which a person reads them.
  package let all: [EngineDescriptor]

  /// - Precondition: `all` is not empty.
  package init(_ all: [EngineDescriptor]) {
    precondition(!all.isEmpty, "a program has an engine")
    self.all = all
  }

  /// The first: what a new data directory gets when nothing is said.
  package var standard: EngineDescriptor { all[0] }

  /// nil: this program does not have it.
  package func named(_ name: String) -> EngineDescriptor? { all.first { $0.name == name } }

  /// The engine to which a store with files of these names belongs most surely; nil when it is none's.
  package func engine(ofStoreWith names: [String]) -> EngineDescriptor? {
    let found = all.map { (engine: $0, likeness: $0.likeness(of: names)) }
      .max { $0.likeness < $1.likeness }
    return found.flatMap { $0.likeness > .none ? $0.engine : nil }
  }

  /// What the names of the other engines' tables end with.
  package func tableSuffixes(besides engine: EngineDescriptor) -> [String] {
    all.filter { $0 != engine }.map(\.files.tableSuffix)
  }
}
