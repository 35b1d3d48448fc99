# SPDX-License-Identifier: MIT
"""Hob's tasks in gdb: in a running program and in a core file.

    (gdb) source tools/gdb/hob.py
    (gdb) hob tasks            each task: what it waits for, where it was started
    (gdb) hob bt 7             where task 7 is; hob bt all
    (gdb) hob task 7           makes task 7 the selected one: bt, frame, info locals
    (gdb) hob task             back to the thread
    (gdb) hob scopes           who lives in what

A core file must be the kernel's: what gcore writes lacks stacks. Reads memory and
changes nothing. Needs the debugging information of libhob. A parked
task is three words (resume, sp, fp): the code that switches declares every other
register lost, so that from there on the unwinding tables hold.
"""
import collections

import gdb
import gdb.unwinder

REGISTERS = {
    "i386:x86-64": ("rip", "rsp", "rbp"),
    "aarch64": ("pc", "sp", "x29"),
    "riscv:rv64": ("pc", "sp", "fp"),
}
FRAMES_MAX = 100
NODES_MAX = 20000000  # a list longer than this is broken


MISSING = ("hob: memory of the program is missing here. gdb's own gcore leaves out stacks that lie "
           "near a guard page: let the kernel write the core file (ulimit -c, kill -ABRT)")


class Broken(gdb.GdbError):
    """The program's memory is not as it should be, or there is no Hob in it."""


# ---- reading the program ----

def container(node, type_name, member):
    kind = gdb.lookup_type(type_name)
    offset = next(field.bitpos // 8 for field in kind.fields() if field.name == member)
    return (node.cast(gdb.lookup_type("char").pointer()) - offset).cast(kind.pointer())


def walk(head, type_name, member):
    """What is in a struct list, by the node that it is linked by."""
    end = head["head"].address
    node = end["next"]
    for _ in range(NODES_MAX):
        if node == end:
            return
        if int(node) == 0:
            raise Broken(MISSING)
        try:
            following = node["next"]
            following.fetch_lazy()
        except gdb.MemoryError:
            raise Broken(MISSING)
        yield container(node, type_name, member)
        node = following
    raise Broken("hob: a list in the program does not end")


def workers():
    try:
        head = gdb.lookup_global_symbol("hob__workers") or gdb.lookup_static_symbol("hob__workers")
        if head is None:
            raise gdb.error()
        return list(walk(head.value(), "struct worker", "everyone"))
    except gdb.error:
        raise Broken("hob: no libhob with debugging information here, or it is not loaded yet")


def tasks():
    for worker in workers():
        yield from walk(worker["tasks"], "struct task", "everyone")


def task_of(word):
    try:
        number = int(word, 0)
    except ValueError:
        number = None
    for task in tasks():
        if int(task["id"]) == number or word in (name_of(task), hex(int(task))):
            return task
    raise Broken(f"hob: there is no task {word}")


def is_running(task):
    return task["worker"]["current"] == task


def name_of(task):
    return task["name"].string(errors="replace")


def place(address, is_return=True):
    """function (file.c:42)"""
    address = int(address)
    if address == 0:
        return "?"
    at = address - 1 if is_return else address
    block = gdb.block_for_pc(at)
    while block is not None and (block.function is None):
        block = block.superblock
    line = gdb.find_pc_line(at)
    where = ""
    if line.symtab is not None and line.line:
        where = f" ({line.symtab.filename.rsplit('/', 1)[-1]}:{line.line})"
    if block is not None:
        return f"{block.function.print_name}{where}"
    symbol = gdb.execute(f"info symbol {at:#x}", to_string=True).split(" ")[0]
    return (symbol if symbol != "No" else hex(address)) + where


def is_place_of_function(address):
    """hob__place_of gives the beginning of a function for a call that became a jump."""
    block = gdb.block_for_pc(int(address))
    return block is not None and block.function is not None and block.start == int(address)


def spawned_at(task):
    address = task["spawned_at"]
    return place(address, not is_place_of_function(address))


def seconds_of(task):
    """How long it has waited, by the clock of the loop's last turn."""
    return (int(task["worker"]["wheel"]["now_ns"]) - int(task["since_ns"])) / 1e9


def wait_of(task):
    state = str(task["state"])
    if is_running(task):
        return "running"
    if state != "TASK_PARKED" or int(task["op"]) == 0:
        return state.removeprefix("TASK_").lower()
    op = task["op"].dereference()
    kind = str(op["kind"]).removeprefix("OP_").lower()
    what = kind
    if kind == "sleep":
        left = int(op["sleep"]["when_ns"]) - int(task["worker"]["wheel"]["now_ns"])
        what = f"sleep, {left / 1e9:.3f} s left"
    elif kind == "park":
        what = "sleep for ever"
    elif kind == "promise":
        what = f"promise {int(op['local']['on']):#x}"
    elif kind == "join":
        what = "its children, or another task"
    elif int(op["desc"]) != 0:
        desc = op["desc"].dereference()
        what = f"{kind} on {desc['what'].string()} {int(desc['fd'])}"
    return f"{what}, since {seconds_of(task):.3f} s"


def cancelled(task):
    code = int(task["scope"]["cancel_code"]) or int(task["solo_cancel"])
    return f", cancelled ({code})" if code else ""


def title(task):
    name = name_of(task)
    quoted = f' "{name}"' if name else ""
    function = place(task["fn"], False).split(" ")[0]
    return f"task {int(task['id'])}{quoted} {function}"


# ---- unwinding a parked task ----

class FrameId:
    def __init__(self, sp, pc):
        self.sp, self.pc = sp, pc


class Unwinder(gdb.unwinder.Unwinder):
    """Lets the innermost frame have the selected task's as its caller."""

    def __init__(self):
        super().__init__("hob")
        self.context = None

    def select(self, task):
        self.context = None
        if task is not None:
            self.context = {name: int(task["context"][name]) for name in ("resume", "sp", "fp")}
        gdb.invalidate_cached_frames()

    def __call__(self, pending):
        if self.context is None or pending.level() != 0:
            return None
        registers = REGISTERS.get(pending.architecture().name())
        if registers is None:
            return None
        word = gdb.lookup_type("unsigned long")
        own = [pending.read_register(name) for name in registers]
        info = pending.create_unwind_info(FrameId(own[1], own[0]))
        for name, value, kept in zip(registers, ("resume", "sp", "fp"), own):
            info.add_saved_register(name, gdb.Value(self.context[value]).cast(word).cast(kept.type))
        return info


UNWINDER = Unwinder()
gdb.unwinder.register_unwinder(None, UNWINDER, replace=True)


def thread_of(task):
    """The thread of the task's worker, by where its tasks and itself are running."""
    worker = task["worker"]
    for thread in gdb.selected_inferior().threads():
        thread.switch()
        try:
            if gdb.parse_and_eval("hob__worker") == worker:
                return thread
        except gdb.error:  # no thread-locals in this core file
            return None
    return None


def frames_of(task):
    """The lines of its backtrace."""
    before = gdb.selected_thread()
    try:
        if is_running(task):
            thread = thread_of(task)
            if thread is None and before is not None:
                before.switch()
            return gdb.execute(f"bt {FRAMES_MAX}", to_string=True).splitlines()
        UNWINDER.select(task)
        lines = gdb.execute(f"bt {FRAMES_MAX}", to_string=True).splitlines()
        return [line for line in lines if not line.startswith("#0 ")]
    finally:
        UNWINDER.select(None)
        if before is not None and before.is_valid():
            before.switch()


# ---- the commands ----

class Hob(gdb.Command):
    """Looks at the tasks of a Hob program: hob tasks, hob bt TASK, hob task TASK, hob scopes."""

    def __init__(self):
        super().__init__("hob", gdb.COMMAND_STACK, gdb.COMPLETE_NONE, True)


class Tasks(gdb.Command):
    """hob tasks: a line for each task: what it waits for, and where it was started."""

    def __init__(self):
        super().__init__("hob tasks", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        count = 0
        for task in tasks():
            print(f"{title(task)}: {wait_of(task)}{cancelled(task)}; started at {spawned_at(task)}")
            count += 1
        print(f"{count} tasks")


class Backtrace(gdb.Command):
    """hob bt TASK: the calls of a task, by its number or name. hob bt all: of each, the same ones
grouped."""

    def __init__(self):
        super().__init__("hob bt", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        word = argument.strip()
        if word == "":
            raise gdb.GdbError("hob bt: which task? A number or a name, or all")
        if word != "all":
            task = task_of(word)
            print(f"{title(task)}: {wait_of(task)}{cancelled(task)}")
            print("\n".join(frames_of(task)))
            return
        groups = collections.OrderedDict()
        for task in tasks():
            lines = frames_of(task)
            key = tuple(line.split(" (", 1)[0] for line in lines)
            groups.setdefault(key, []).append((task, lines))
        for group in groups.values():
            task, lines = group[0]
            more = f", and {len(group) - 1} like it" if len(group) > 1 else ""
            print(f"{title(task)}: {wait_of(task)}{cancelled(task)}{more}")
            print("\n".join(lines) + "\n")


class Select(gdb.Command):
    """hob task TASK: bt, frame, up and info locals are of that task now; its frames begin at 1.
hob task: of the thread again."""

    def __init__(self):
        super().__init__("hob task", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        word = argument.strip()
        task = task_of(word) if word else None
        if task is not None and is_running(task):
            raise gdb.GdbError("hob task: it is running: it is what its thread does")
        UNWINDER.select(task)
        if task is not None:
            gdb.execute("frame 1")


class Scopes(gdb.Command):
    """hob scopes: the tree of scopes and tasks."""

    def __init__(self):
        super().__init__("hob scopes", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        for worker in workers():
            self.show(worker["main"].address, "main", 0)
            for root in walk(worker["roots"], "struct root", "link"):
                self.show(root["scope"].address, f'root "{root["name"].string()}"', 0)

    def show(self, scope, what, depth):
        notes = ""
        if int(scope["cancel_code"]):
            notes += f", cancelled ({int(scope['cancel_code'])})"
        if int(scope["has_deadline"]):
            notes += ", has a deadline"
        print(f"{'  ' * depth}scope {what}{notes}")
        for task in walk(scope["tasks"], "struct task", "sibling"):
            print(f"{'  ' * (depth + 1)}{title(task)}: {wait_of(task)}")
            self.show_opened(task, scope, depth + 2)

    def show_opened(self, task, home, depth):
        """The scopes that the task has open, from the outermost."""
        opened, scope = [], task["scope"]
        while int(scope) != 0 and scope != task["home"] and len(opened) < NODES_MAX:
            opened.append(scope)
            scope = scope["parent"]
        for scope in reversed(opened):
            self.show(scope, f"opened at {place(scope['opened_at'])}", depth)
            depth += 1


for command in (Hob, Tasks, Backtrace, Select, Scopes):
    command()
