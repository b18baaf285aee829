package import Bytes
package import Schema

/// Records with the fields that a mask names taken from other ones, made of their bytes without decoding a value.
///
/// It is what a decoder would make (google.aip.dev/134). A field that the mask names is replaced and not merged, and
/// absent there it is cleared. A message on the way to it is made when something is set in it. A member of a oneof
/// takes the others away when it is set. All else stays as it is, unknown fields among it. Fields come in the order of
/// their numbers when those of the stored record do, so that an update that changes nothing changes no byte.
///
/// Unsafe island: reads through the base addresses of both; ``WireScan`` says how every offset is checked.
extension MaskTree {
  /// Bytes, and the parts of them that are one message together.
  @safe
  private struct Side {
    @safe let base: UnsafePointer<UInt8>
    var parts: [Range<Int>]
  }

  /// Appends `stored` with what the mask names as it is in `request`.
  ///
  /// - Throws: when one of them is no protobuf message; what was appended by then is no message either.
  /// - Complexity: O(both), for each level of the mask.
  @safe
  package func update(
    _ stored: UnsafeRawBufferPointer, with request: UnsafeRawBufferPointer,
    into writer: inout ByteWriter
  ) throws(RecordError) {
    var none: UInt8 = 0
    var failure: RecordError?
    // SAFETY: raw bytes may be read as UInt8, and both outlive this call. Of no bytes none is read.
    unsafe withUnsafeMutablePointer(to: &none) { none in
      let empty = unsafe UnsafePointer(none)
      let old = unsafe Side(
        base: stored.baseAddress?.assumingMemoryBound(to: UInt8.self) ?? empty,
        parts: [0..<stored.count])
      let new = unsafe Side(
        base: request.baseAddress?.assumingMemoryBound(to: UInt8.self) ?? empty,
        parts: [0..<request.count])
      do throws(RecordError) {
        try update(old, new, node: 0, into: &writer)
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
  }

  private func update(
    _ stored: Side, _ request: Side, node: Int, into writer: inout ByteWriter
  ) throws(RecordError) {
    let entries = nodes[node].entries
    var change = unsafe Change(node: node, stored: stored.base, request: request)
    if !nodes[node].isFlat { try prepare(&change, stored) }
    for part in stored.parts {
      var offset = part.lowerBound
      var copyStart = offset
      while offset < part.upperBound {
        let fieldStart = offset
        let (number, wireType) = try unsafe WireScan.tag(stored.base, &offset, part.upperBound)
        if wireType == 4 {
          offset = fieldStart
          break
        }
        try unsafe WireScan.skip(
          stored.base, &offset, part.upperBound, number: number, wireType: wireType,
          start: fieldStart, depth: 1)
        let isNamed = nodes[node].entry(number) != nil
        let isDue = change.next < entries.count && entries[change.next].number < number
        guard isNamed || isDue else { continue }
        unsafe append(copyStart..<fieldStart, stored.base, to: &writer)
        try write(&change, upTo: isNamed ? number : number - 1, into: &writer)
        copyStart = isNamed ? offset : fieldStart
      }
      unsafe append(copyStart..<offset, stored.base, to: &writer)
    }
    try write(&change, upTo: .max, into: &writer)
  }

  /// Finds what is where.
  private func prepare(_ change: inout Change, _ stored: Side) throws(RecordError) {
    let node = change.node
    let request = change.request
    var old = [Found](repeating: Found(), count: nodes[node].entries.count)
    var new = old
    for part in stored.parts {
      try unsafe find(in: part, node: node, stored.base, notesUnsetting: true, &old)
    }
    for part in request.parts { try unsafe find(in: part, node: node, request.base, &new) }
    change.isSet = try unsafe sets(new, node: node, request.base)
    change.old = old
    change.new = new
  }

  /// An update of one message.
  @safe
  private struct Change {
    let node: Int
    @safe let stored: UnsafePointer<UInt8>
    let request: Side
    /// Of each entry; of a flat node none.
    var old: [Found] = []
    var new: [Found] = []
    /// Of each entry whether the request sets it, or something in it.
    var isSet: [Bool] = []
    /// Entries before this one are written.
    var next = 0

    init(node: Int, stored: UnsafePointer<UInt8>, request: Side) {
      self.node = node
      unsafe self.stored = stored
      self.request = request
    }
  }

  /// Appends all that the request has of a field.
  private func append(
    _ field: UInt32, of request: Side, to writer: inout ByteWriter
  ) throws(RecordError) {
    for part in request.parts {
      var offset = part.lowerBound
      while offset < part.upperBound {
        let start = offset
        let (number, wireType) = try unsafe WireScan.tag(request.base, &offset, part.upperBound)
        // The inside of a group ends with its end tag.
        if wireType == 4 { break }
        try unsafe WireScan.skip(
          request.base, &offset, part.upperBound, number: number, wireType: wireType, start: start,
          depth: 1)
        if number == field { unsafe append(start..<offset, request.base, to: &writer) }
      }
    }
  }

  /// Writes the entries with numbers up to `number` that are not written yet.
  private func write(
    _ change: inout Change, upTo number: UInt32, into writer: inout ByteWriter
  ) throws(RecordError) {
    let entries = nodes[change.node].entries
    while change.next < entries.count, entries[change.next].number <= number {
      let index = change.next
      change.next += 1
      let entry = entries[index]
      guard !nodes[change.node].isFlat else {
        try append(entry.number, of: change.request, to: &writer)
        continue
      }
      if let oneof = entry.oneof, !change.isSet[index],
        entries.indices.contains(where: {
          entries[$0].oneof == oneof && change.isSet[$0]
        })
      {
        // Another member of the oneof is set now.
        continue
      }
      switch entry.use {
      case .whole:
        for field in change.new[index].ranges {
          unsafe append(field, change.request.base, to: &writer)
        }
      case .unsets:
        for field in change.old[index].ranges {
          unsafe append(field, change.stored, to: &writer)
        }
      case .part(let child):
        let (old, new) = (change.old[index], change.new[index])
        guard change.isSet[index] || !old.ranges.isEmpty else { continue }
        let isGroup = old.isGroup || new.isGroup
        writer.appendTag(Int(entry.number), wireType: isGroup ? 3 : 2)
        let begin = writer.count
        try unsafe update(
          Side(base: change.stored, parts: old.ranges),
          Side(base: change.request.base, parts: new.ranges), node: child, into: &writer)
        if isGroup {
          writer.appendTag(Int(entry.number), wireType: 4)
        } else {
          writer.insertVarint(UInt64(writer.count - begin), at: begin)
        }
      }
    }
  }

  /// Of each entry whether something of it is there.
  private func sets(
    _ found: [Found], node: Int, _ base: UnsafePointer<UInt8>
  ) throws(RecordError) -> [Bool] {
    var isSet: [Bool] = []
    for (entry, found) in zip(nodes[node].entries, found) {
      guard case .part(let child) = entry.use, !found.ranges.isEmpty else {
        isSet.append(!found.ranges.isEmpty)
        continue
      }
      var inside = [Found](repeating: Found(), count: nodes[child].entries.count)
      for part in found.ranges { try unsafe find(in: part, node: child, base, &inside) }
      isSet.append(try unsafe sets(inside, node: child, base).contains(true))
    }
    return isSet
  }
}
