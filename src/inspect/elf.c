/* SPDX-License-Identifier: MIT */
#include "inspect/elf.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Not by base/sys.h: what is looked at must not change what a torture run counts. */

enum { SECTIONS_MAX = 4096, SEGMENTS_MAX = 128, SYMBOLS_AT_ONCE = 128 };

static bool read_at(int fd, void *buf, size_t len, uint64_t offset)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = pread(fd, (char *)buf + done, len - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

/* ---- /proc/self/maps ---- */

/* Reads "start-end perms offset major:minor inode path" and keeps it if the address is in it. */
static bool parse_mapping(char *line, uint64_t address, struct elf_module *module)
{
    char    *at;
    uint64_t start = strtoull(line, &at, 16);
    if (*at != '-')
        return false;
    uint64_t end = strtoull(at + 1, &at, 16);
    if (address < start || address >= end || strlen(at) < 6)
        return false;
    module->file_offset = strtoull(at + 6, &at, 16) + (address - start);
    at = strchr(at + 1, ' '); // the device
    if (at == NULL)
        return false;
    module->inode = strtoull(at, &at, 10);
    at += strspn(at, " ");
    size_t len = strlen(at);
    if (len == 0 || len >= sizeof module->path)
        return false;
    memcpy(module->path, at, len + 1);
    return true;
}

bool hob__elf_module_of(const void *address, struct elf_module *ret_module)
{
    static char text[4096];
    size_t      len = 0;
    bool        found = false;
    int         fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    while (!found) {
        ssize_t n = read(fd, text + len, sizeof text - 1 - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        len += (size_t)n;
        text[len] = '\0';
        char *line = text;
        for (char *end; !found && (end = strchr(line, '\n')) != NULL; line = end + 1) {
            *end = '\0';
            found = parse_mapping(line, (uintptr_t)address, ret_module);
        }
        len -= (size_t)(line - text);
        if (len == sizeof text - 1)
            len = 0; // no line is that long
        memmove(text, line, len);
    }
    close(fd);
    return found;
}

/* ---- the file ---- */

/* The file as it is now: is it the one that was loaded? Devices are not compared, because
 * overlays and subvolumes show one number here and another there. */
static bool is_same_file(int fd, const struct elf_module *module)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_ino == module->inode;
}

static bool read_header(int fd, Elf64_Ehdr *header)
{
    return read_at(fd, header, sizeof *header, 0) &&
           memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
           header->e_ident[EI_CLASS] == ELFCLASS64 && header->e_phentsize == sizeof(Elf64_Phdr);
}

static bool find_vaddr(int fd, const Elf64_Ehdr *header, uint64_t file_offset, uint64_t *ret_vaddr)
{
    for (unsigned i = 0; i < header->e_phnum && i < SEGMENTS_MAX; i++) {
        Elf64_Phdr segment;
        if (!read_at(fd, &segment, sizeof segment, header->e_phoff + i * sizeof segment))
            return false;
        if (segment.p_type == PT_LOAD && file_offset >= segment.p_offset &&
            file_offset - segment.p_offset < segment.p_filesz) {
            *ret_vaddr = file_offset - segment.p_offset + segment.p_vaddr;
            return true;
        }
    }
    return false;
}

static bool is_function(const Elf64_Sym *symbol)
{
    unsigned type = ELF64_ST_TYPE(symbol->st_info);
    return (type == STT_FUNC || type == STT_GNU_IFUNC) && symbol->st_shndx != SHN_UNDEF;
}

/* The function of the table that holds the address; of two at one place, the global one. */
static bool find_function(int fd, const Elf64_Shdr *table, uint64_t vaddr, Elf64_Sym *ret_symbol)
{
    static Elf64_Sym symbols[SYMBOLS_AT_ONCE];
    uint64_t         left = table->sh_size / sizeof symbols[0];
    uint64_t         offset = table->sh_offset;
    bool             found = false;
    while (left > 0) {
        size_t count = left < SYMBOLS_AT_ONCE ? (size_t)left : SYMBOLS_AT_ONCE;
        if (!read_at(fd, symbols, count * sizeof symbols[0], offset))
            break;
        for (size_t i = 0; i < count; i++) {
            const Elf64_Sym *symbol = &symbols[i];
            if (!is_function(symbol) || vaddr < symbol->st_value ||
                vaddr - symbol->st_value >= symbol->st_size)
                continue;
            bool better = !found || symbol->st_value > ret_symbol->st_value ||
                          (symbol->st_value == ret_symbol->st_value &&
                           ELF64_ST_BIND(symbol->st_info) == STB_GLOBAL);
            if (better)
                *ret_symbol = *symbol;
            found = true;
        }
        left -= count;
        offset += count * sizeof symbols[0];
    }
    return found;
}

/* Reads a name; what the compiler appended (.part.0, .constprop.1) is of no use to people. */
static void read_name(int fd, const Elf64_Shdr *strings, uint64_t at, char name[ELF_NAME_MAX])
{
    name[0] = '\0';
    if (at >= strings->sh_size)
        return;
    uint64_t left = strings->sh_size - at;
    size_t   len = left < ELF_NAME_MAX - 1 ? (size_t)left : ELF_NAME_MAX - 1;
    if (!read_at(fd, name, len, strings->sh_offset + at))
        len = 0;
    name[len] = '\0';
    char *suffix = name[0] != '\0' ? strchr(name + 1, '.') : NULL;
    if (suffix != NULL)
        *suffix = '\0';
}

static bool read_section(int fd, const Elf64_Ehdr *header, unsigned i, Elf64_Shdr *ret_section)
{
    return i < header->e_shnum &&
           read_at(fd, ret_section, sizeof *ret_section,
                   header->e_shoff + i * sizeof *ret_section);
}

/* Looks in the first table of this type. */
static bool look_in(int fd, const Elf64_Ehdr *header, unsigned type, struct elf_symbol *symbol)
{
    if (header->e_shentsize != sizeof(Elf64_Shdr))
        return false;
    for (unsigned i = 0; i < header->e_shnum && i < SECTIONS_MAX; i++) {
        Elf64_Shdr table, strings;
        Elf64_Sym  function;
        if (!read_section(fd, header, i, &table))
            return false;
        if (table.sh_type != type || table.sh_entsize != sizeof(Elf64_Sym))
            continue;
        if (!find_function(fd, &table, symbol->vaddr, &function) ||
            !read_section(fd, header, table.sh_link, &strings))
            return false;
        read_name(fd, &strings, function.st_name, symbol->name);
        symbol->from_start = symbol->vaddr - function.st_value;
        return symbol->name[0] != '\0';
    }
    return false;
}

bool hob__elf_symbol_of(const struct elf_module *module, struct elf_symbol *ret_symbol)
{
    *ret_symbol = (struct elf_symbol){ 0 };
    int fd = open(module->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    Elf64_Ehdr header;
    bool       known = is_same_file(fd, module) && read_header(fd, &header) &&
                 find_vaddr(fd, &header, module->file_offset, &ret_symbol->vaddr);
    if (known && !look_in(fd, &header, SHT_SYMTAB, ret_symbol))
        (void)look_in(fd, &header, SHT_DYNSYM, ret_symbol);
    close(fd);
    return known;
}
