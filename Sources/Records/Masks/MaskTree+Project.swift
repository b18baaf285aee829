package import Bytes
package import Schema

/// Copies of a record that hold what the mask names and nothing else, made of its bytes without decoding a value.
///
/// Tags and values are copied as they are; only the lengths of nested messages are written anew. A message on the way
/// to a named field stays when the field is absent in it.
///
/// Unsafe island: reads through the record's base address; ``WireScan`` says how every offset is checked.
extension MaskTree {
  /// Appends the copy of `record`.
  ///
  /// - Throws: when the record is no protobuf message; what was appended by then is no message either.
  /// - Complexity: O(record), and O(what is copied) for each level of the mask.
  @safe
  package func project(
    _ record: UnsafeRawBufferPointer, into writer: inout ByteWriter
  ) throws(RecordError) {
    guard let start = record.baseAddress else { return }
    // SAFETY: raw bytes may be read as UInt8, and `record` outlives this call.
    let base = unsafe start.assumingMemoryBound(to: UInt8.self)
    if hasOneofs {
      try unsafe merge([0..<record.count], node: 0, base, into: &writer)
    } else {
      _ = try unsafe copy(from: 0, to: record.count, node: 0, base, into: &writer)
    }
  }

  // MARK: - Field by field

  /// Copies the fields from `start` on, up to `end` or the end tag of the group that they are in.
  ///
  /// - Returns: the offset after the last one, and after the end tag.
  private func copy(
    from start: Int, to end: Int, node: Int, _ base: UnsafePointer<UInt8>,
    into writer: inout ByteWriter
  ) throws(RecordError) -> Int {
    var offset = start
    while offset < end {
      let fieldStart = offset
      let (number, wireType) = try unsafe WireScan.tag(base, &offset, end)
      if wireType == 4 { return offset }
      let use = nodes[node].entry(number).map { nodes[node].entries[$0].use }
      guard case .part(let child) = use, wireType == 2 || wireType == 3 else {
        try unsafe WireScan.skip(
          base, &offset, end, number: number, wireType: wireType, start: fieldStart, depth: 1)
        if case .whole = use { unsafe append(fieldStart..<offset, base, to: &writer) }
        continue
      }
      unsafe append(fieldStart..<offset, base, to: &writer)
      if wireType == 2 {
        let length = try unsafe WireScan.length(base, &offset, end)
        let begin = writer.count
        _ = try unsafe copy(from: offset, to: offset &+ length, node: child, base, into: &writer)
        writer.insertVarint(UInt64(writer.count - begin), at: begin)
        offset &+= length
      } else {
        offset = try unsafe copy(from: offset, to: end, node: child, base, into: &writer)
        writer.appendTag(Int(number), wireType: 4)
      }
    }
    return offset
  }

  func append(
    _ range: Range<Int>, _ base: UnsafePointer<UInt8>, to writer: inout ByteWriter
  ) {
    // SAFETY: the range was stepped over, so it lies in the record.
    unsafe writer.append(UnsafeRawBufferPointer(start: base + range.lowerBound, count: range.count))
  }

  // MARK: - All at once

  struct Found {
    /// Whole fields, or the insides of messages, in the order of the wire.
    var ranges: [Range<Int>] = []
    var isGroup = false
  }

  /// A member of a oneof that comes later unsets the others, also from another part of a message that was split. So
  /// all parts are read before a field is written.
  private func merge(
    _ parts: [Range<Int>], node: Int, _ base: UnsafePointer<UInt8>, into writer: inout ByteWriter
  ) throws(RecordError) {
    let entries = nodes[node].entries
    var found = [Found](repeating: Found(), count: entries.count)
    for part in parts { try unsafe find(in: part, node: node, base, &found) }
    for (entry, found) in zip(entries, found) where !found.ranges.isEmpty {
      guard case .part(let child) = entry.use else {
        for field in found.ranges { unsafe append(field, base, to: &writer) }
        continue
      }
      writer.appendTag(Int(entry.number), wireType: found.isGroup ? 3 : 2)
      let begin = writer.count
      try unsafe merge(found.ranges, node: child, base, into: &writer)
      if found.isGroup {
        writer.appendTag(Int(entry.number), wireType: 4)
      } else {
        writer.insertVarint(UInt64(writer.count - begin), at: begin)
      }
    }
  }

  /// Notes where the fields of `node` are in one part of their message.
  ///
  /// - Parameter notesUnsetting: also those that are there because of their oneof alone, as whole fields.
  func find(
    in part: Range<Int>, node: Int, _ base: UnsafePointer<UInt8>, notesUnsetting: Bool = false,
    _ found: inout [Found]
  ) throws(RecordError) {
    let entries = nodes[node].entries
    var offset = part.lowerBound
    while offset < part.upperBound {
      let fieldStart = offset
      let (number, wireType) = try unsafe WireScan.tag(base, &offset, part.upperBound)
      // The inside of a group ends with its end tag.
      if wireType == 4 { return }
      var valueStart = offset
      try unsafe WireScan.skip(
        base, &offset, part.upperBound, number: number, wireType: wireType, start: fieldStart,
        depth: 1)
      guard let index = nodes[node].entry(number) else { continue }
      if let oneof = entries[index].oneof {
        for other in entries.indices where other != index && entries[other].oneof == oneof {
          found[other].ranges = []
        }
      }
      switch entries[index].use {
      case .whole: found[index].ranges.append(fieldStart..<offset)
      case .part where wireType == 2:
        _ = try unsafe WireScan.length(base, &valueStart, part.upperBound)
        found[index].ranges.append(valueStart..<offset)
      case .part where wireType == 3:
        found[index].isGroup = true
        found[index].ranges.append(valueStart..<offset)
      case .unsets where notesUnsetting: found[index].ranges.append(fieldStart..<offset)
      case .part, .unsets: break
      }
    }
  }
}
