import Bytes

/// The comments of a file (`SourceCodeInfo` of google/protobuf/descriptor.proto) of which a part is cut away.
///
/// A comment is kept with what it is on. One that is on nothing, between two declarations, is not: it may speak of what
/// is not there.
struct DescriptorComments {
  let tree: DescriptorTree
  /// The new place of each declaration among those of its kind; nil when it has no comments any more.
  let places: [DescriptorTree.Kind: [Int?]]
  /// The same for the methods of each service.
  let methods: [[Int?]]

  private static let location = 1
  private static let (path, detachedComment) = (1, 6)

  private typealias Number = DescriptorTree.Number

  /// - Parameter range: where the message is in the bytes of the file.
  func kept(_ range: Range<Int>) -> [UInt8] {
    var writer = ByteWriter()
    for field in DescriptorField.all(of: tree.bytes, in: range) ?? [] {
      guard field.number == Self.location, let value = field.value,
        let parts = DescriptorField.all(of: tree.bytes, in: value),
        let path = newPath(
          parts.filter { $0.number == Self.path }.flatMap { $0.numbers(tree.bytes) })
      else { continue }
      writer.appendMessage(Self.location) { location in
        var numbers = ByteWriter()
        for number in path { numbers.appendVarint(number) }
        location.appendField(Self.path, numbers.array())
        for part in parts where part.number != Self.path && part.number != Self.detachedComment {
          location.append(Array(tree.bytes[part.whole]))
        }
      }
    }
    return writer.array()
  }

  /// Field numbers, each with a place among the fields of that number; nil when it leads to nothing.
  private func newPath(_ path: [UInt64]) -> [UInt64]? {
    guard let first = path.first else { return path }
    guard let kind = DescriptorTree.kind(ofFileField: Int(clamping: first)) else {
      let isImport = [Number.dependency, Number.publicDependency, Number.weakDependency]
        .contains(Int(clamping: first))
      return isImport ? nil : path
    }
    guard path.count > 1, let index = Int(exactly: path[1]), let places = places[kind],
      index < places.count, let place = places[index]
    else { return nil }
    var path = path
    path[1] = UInt64(place)
    guard kind == .service, path.count > 3, path[2] == UInt64(Number.member) else { return path }
    guard let method = Int(exactly: path[3]), method < methods[index].count,
      let methodPlace = methods[index][method]
    else { return nil }
    path[3] = UInt64(methodPlace)
    return path
  }
}
