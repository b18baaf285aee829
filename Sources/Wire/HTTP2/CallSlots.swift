// SAFETY: slots are freed that were free for seconds, or with their connection: see ``SlotReference``.

/// The slots of a connection: of its calls, and free ones that the next calls use again.
///
/// Free ones are taken from the end of a list, so that those at its beginning are the ones that nobody needs: they are
/// given up after ``unusedTime`` to twice that. Their places stay, as *vacant* ones, until no call is left.
///
/// Thread-safety: confined to the connection's event loop.
struct CallSlots {
  /// All places, by the indexes of their slots; vacant ones have ``SlotReference/vacant``.
  private(set) var all: [SlotReference] = []
  private var free: [UInt32] = []
  /// The fewest that were free since `since`: so many at the beginning of `free` were not used.
  private var leastFree = 0
  private var since: UInt64 = 0
  /// At the beginning of `free`, how many are vacant; fewer when `leastFree` is less.
  private var vacantCount = 0
  /// No slot that was given up had a larger generation: a token of one of its calls names no call of a new slot.
  private var generationFloor: UInt32 = 0

  /// In nanoseconds.
  static let unusedTime: UInt64 = 5_000_000_000
  /// Free slots beyond these keep no buffers: enough for a busy connection to allocate nothing for a call.
  private static let bufferedCount = 128

  /// How many are of calls.
  @inline(__always)
  var usedCount: Int { all.count - free.count }

  /// A free slot, or a new one.
  @inline(__always)
  mutating func take() -> SlotReference {
    guard let index = free.popLast() else { return add() }
    if free.count < leastFree { leastFree = free.count }
    let slot = all[Int(index)]
    return slot.pointee.index == index ? slot : fill(index)
  }

  /// Takes the slot of a call that has ended.
  @inline(__always)
  mutating func giveBack(_ slot: SlotReference) {
    if free.count >= Self.bufferedCount { slot.pointee.giveUpBuffers() }
    free.append(slot.pointee.index)
  }

  private mutating func add() -> SlotReference {
    let slot = SlotReference.allocate(index: UInt32(all.count), generation: generationFloor)
    all.append(slot)
    return slot
  }

  private mutating func fill(_ index: UInt32) -> SlotReference {
    let slot = SlotReference.allocate(index: index, generation: generationFloor)
    all[Int(index)] = slot
    return slot
  }

  /// Gives up the slots that were not used for ``unusedTime``. Nobody may refer to a free slot then.
  ///
  /// - Returns: whether no slot is left: the connection is idle.
  /// - Complexity: O(slots that are given up).
  mutating func trim(now: UInt64) -> Bool {
    guard now >= since + Self.unusedTime else { return false }
    for place in min(vacantCount, leastFree)..<leastFree {
      let slot = all[Int(free[place])]
      generationFloor = max(generationFloor, slot.pointee.generation)
      all[Int(free[place])] = unsafe SlotReference.vacant
      unsafe slot.free()
    }
    let isIdle = leastFree == all.count && !all.isEmpty
    if isIdle {
      all = []
      free = []
    }
    vacantCount = isIdle ? 0 : leastFree
    leastFree = free.count
    since = now
    return isIdle
  }

  /// Frees all slots; no reference to one may be used afterwards.
  @unsafe
  mutating func freeAll() {
    for slot in all where !slot.isVacant { unsafe slot.free() }
    all = []
    free = []
  }
}
