/* SPDX-License-Identifier: MIT */
/* What an open file can do besides reading and writing at one place. */
#include <sys/uio.h>

#include "support/io.h"
#include "support/tasks.h"

#define P(name) scratch_path(name)

static int open_new(hob_file **ret_file)
{
    return hob_file_open(P("f"), O_RDWR | O_CREAT | O_TRUNC, 0600, ret_file);
}

/* ---- several buffers ---- */

TEST_ON_ALL(file, several_buffers_are_written_and_read_in_one_call)
{
    FILE_(file);
    char         a[3], b[4], c[8];
    struct iovec out[3] = { { "abc", 3 }, { "", 0 }, { "defgh", 5 } };
    struct iovec in[3] = { { a, sizeof a }, { b, sizeof b }, { c, sizeof c } };
    check_ok(open_new(&file));
    check_eq(hob_file_pwritev(file, out, 3, 2), 8);
    check_eq(hob_file_preadv(file, in, 3, 2), 8);
    check_mem(a, "abc", 3);
    check_mem(b, "defg", 4);
    check_mem(c, "h", 1);
    check_eq(hob_file_preadv(file, in, 3, 100), 0);
    check_eq(hob_file_preadv(file, in, 0, 0), 0);
    FOR_EACH_STYLE(wait) {
        hob_op op;
        check_ok(hob_file_pwritev_prep(&op, file, out, 1, 0));
        check_eq(wait(&op), 3);
        check_ok(hob_file_preadv_prep(&op, file, in, 1, 0));
        check_eq(wait(&op), 3);
        check_mem(a, "abc", 3);
    }
}

TEST_DIES(file, a_negative_offset_of_buffers_is_a_mistake, "hob_file_preadv: the offset is negative*")
{
    FILE_(file);
    struct iovec iov = { NULL, 0 };
    check_ok(open_new(&file));
    ignore(hob_file_preadv(file, &iov, 1, -1));
}

/* ---- lengths ---- */

TEST_ON_ALL(file, the_length_can_be_set_and_the_new_part_is_zeros)
{
    FILE_(file);
    char buf[8];
    check_ok(open_new(&file));
    check_eq(hob_file_write(file, "abcdef", 6), 6);
    check_ok(hob_file_truncate(file, 3));
    check_ok(hob_file_truncate(file, 6));
    check_eq(hob_file_pread(file, buf, sizeof buf, 0), 6);
    check_mem(buf, "abc\0\0\0", 6);
    check_err(hob_file_truncate(file, -1), -EINVAL);
    FOR_EACH_STYLE(wait) {
        hob_op op;
        check_ok(hob_file_truncate_prep(&op, file, 1));
        check_ok(wait(&op));
    }
}

TEST_ON_ALL(file, room_can_be_reserved)
{
    FILE_(file);
    struct stat st;
    check_ok(open_new(&file));
    int r = hob_file_allocate(file, 0, 0, 10000);
    if (r == -EOPNOTSUPP)
        skip("not on this file system");
    check_ok(r);
    check_ok(hob_file_stat(file, &st));
    check_eq(st.st_size, 10000);
    check_ok(hob_file_allocate(file, FALLOC_FL_KEEP_SIZE, 0, 20000));
    check_ok(hob_file_stat(file, &st));
    check_eq(st.st_size, 10000);
    check_err(hob_file_allocate(file, 0, 0, 0), -EINVAL);
    check_err(hob_file_allocate(file, 0, -1, 10), -EINVAL);
    FOR_EACH_STYLE(wait) {
        hob_op op;
        check_ok(hob_file_allocate_prep(&op, file, 0, 0, 100));
        check_ok(wait(&op));
    }
}

TEST(file, reserved_room_is_not_taken_by_others)
{
    struct hob_sim_world world = { .disk_bytes = 10000 };
    FILE_(file);
    FILE_(other);
    check_ok(open_new(&file));
    check_ok(hob_sim_set_world(&world));
    check_err(hob_file_allocate(file, 0, 0, 20000), -ENOSPC);
    check_ok(hob_file_allocate(file, 0, 0, 8192));
    check_ok(hob_file_open(P("g"), O_RDWR | O_CREAT, 0600, &other));
    BYTES(bytes, 8192);
    fill(bytes, 8192, 0, 1);
    check_eq(hob_file_pwrite(other, bytes, 8192, 0), 10000 - 8192);
    check_eq(hob_file_pwrite(file, bytes, 8192, 0), 8192);
}

/* ---- O_DIRECT ---- */

TEST_ON_ALL(file, direct_reads_and_writes_work_as_aligned_as_told)
{
    FILE_(file);
    size_t buffer, offset;
    void  *block = NULL;
    int    r = hob_file_open(P("f"), O_RDWR | O_CREAT | O_DIRECT, 0600, &file);
    if (r == -EINVAL)
        skip("this file system knows no O_DIRECT");
    check_ok(r);
    r = hob_file_direct_align(file, &buffer, &offset);
    if (r == -EOPNOTSUPP)
        skip("this kernel or file system does not tell");
    check_ok(r);
    size_t len = (4096 + offset - 1) / offset * offset;
    check_eq(posix_memalign(&block, buffer < sizeof(void *) ? sizeof(void *) : buffer, len), 0);
    fill(block, len, 0, 1);
    ssize_t written = hob_file_pwrite(file, block, len, 0);
    memset(block, 0, len);
    ssize_t n = hob_file_pread(file, block, len, 0);
    bool    same = is_filled(block, len, 0, 1);
    free(block);
    check_eq(written, len);
    check_eq(n, len);
    check(same);
}

/* ---- locks ---- */

TEST_ON_ALL(file_lock, keeps_other_openings_out_until_it_is_given_up)
{
    FILE_(a);
    FILE_(b);
    check_ok(open_new(&a));
    check_ok(hob_file_open(P("f"), O_RDWR, 0, &b));
    check_ok(hob_file_lock(a, HOB_LOCK_SHARED));
    check_ok(hob_file_try_lock(b, HOB_LOCK_SHARED));
    check_err(hob_file_try_lock(b, HOB_LOCK_EXCLUSIVE), -EWOULDBLOCK);
    check_ok(hob_file_unlock(a));
    check_ok(hob_file_try_lock(b, HOB_LOCK_EXCLUSIVE));
    check_err(hob_file_try_lock(a, HOB_LOCK_SHARED), -EWOULDBLOCK);
    hob_file_close(b);
    b = NULL;
    check_ok(hob_file_lock(a, HOB_LOCK_EXCLUSIVE));
}

TEST_ON_ALL(file_lock, ranges_exclude_each_other_where_they_overlap)
{
    FILE_(a);
    FILE_(b);
    FILE_(reader);
    check_ok(open_new(&a));
    check_ok(hob_file_open(P("f"), O_RDWR, 0, &b));
    check_ok(hob_file_lock_range(a, HOB_LOCK_EXCLUSIVE, 10, 10));
    check_ok(hob_file_try_lock_range(b, HOB_LOCK_EXCLUSIVE, 0, 10));
    check_err(hob_file_try_lock_range(b, HOB_LOCK_SHARED, 5, 6), -EWOULDBLOCK);
    check_ok(hob_file_unlock_range(a, 12, 2)); // two are left
    check_ok(hob_file_try_lock_range(b, HOB_LOCK_EXCLUSIVE, 12, 2));
    check_err(hob_file_try_lock_range(b, HOB_LOCK_EXCLUSIVE, 11, 2), -EWOULDBLOCK);
    check_err(hob_file_try_lock_range(b, HOB_LOCK_EXCLUSIVE, 14, 0), -EWOULDBLOCK);
    check_ok(hob_file_try_lock_range(b, HOB_LOCK_EXCLUSIVE, 20, 0));
    check_err(hob_file_try_lock_range(a, HOB_LOCK_SHARED, 1000, 1), -EWOULDBLOCK);
    check_ok(hob_file_open(P("f"), O_RDONLY, 0, &reader));
    check_err(hob_file_try_lock_range(reader, HOB_LOCK_EXCLUSIVE, 0, 1), -EBADF);
}

struct locker {
    hob_file *file;
    int       result;
};

static int lock_it(void *arg)
{
    struct locker *locker = arg;
    locker->result = hob_file_lock(locker->file, HOB_LOCK_EXCLUSIVE);
    return 0;
}

TEST_ON_ALL(file_lock, is_waited_for_and_had_when_it_is_free)
{
    FILE_(a);
    FILE_(b);
    struct locker locker = { NULL, 1 };
    check_ok(open_new(&a));
    check_ok(hob_file_open(P("f"), O_RDWR, 0, &b));
    check_ok(hob_file_lock(a, HOB_LOCK_EXCLUSIVE));
    locker.file = b;
    HOB_SCOPE(s);
    hob_go(&s, lock_it, &locker);
    check_ok(hob_sleep(20 * HOB_MSEC));
    check_eq(locker.result, 1);
    check_ok(hob_file_unlock(a));
    check_ok(hob_scope_end(&s));
    check_eq(locker.result, 0);
    check_err(hob_file_try_lock(a, HOB_LOCK_SHARED), -EWOULDBLOCK);
}

TEST_ON_ALL(file_lock, a_wait_that_is_cancelled_has_no_lock)
{
    FILE_(a);
    FILE_(b);
    FILE_(c);
    struct locker locker = { NULL, 1 };
    check_ok(open_new(&a));
    check_ok(hob_file_open(P("f"), O_RDWR, 0, &b));
    check_ok(hob_file_open(P("f"), O_RDWR, 0, &c));
    check_ok(hob_file_lock(a, HOB_LOCK_EXCLUSIVE));
    locker.file = b;
    HOB_SCOPE(s);
    hob_go(&s, lock_it, &locker);
    check_ok(hob_sleep(5 * HOB_MSEC));
    hob_scope_cancel(&s, "no more");
    ignore(hob_scope_end(&s));
    check_eq(locker.result, -ECANCELED);
    check_ok(hob_file_unlock(a));
    check_ok(hob_file_try_lock(c, HOB_LOCK_EXCLUSIVE));
}

TEST_ON_ALL(file_lock, a_file_closed_while_a_lock_is_waited_for_ends_the_wait)
{
    FILE_(a);
    hob_file     *b;
    struct locker locker = { NULL, 1 };
    check_ok(open_new(&a));
    check_ok(hob_file_open(P("f"), O_RDWR, 0, &b));
    check_ok(hob_file_lock(a, HOB_LOCK_EXCLUSIVE));
    locker.file = b;
    HOB_SCOPE(s);
    hob_go(&s, lock_it, &locker);
    int r = hob_sleep(5 * HOB_MSEC);
    hob_file_close(b);
    check_ok(r);
    check_ok(hob_scope_end(&s));
    check_eq(locker.result, -ECANCELED);
}

/* ---- attributes ---- */

TEST_ON_ALL(file, attributes_of_an_open_file_are_kept)
{
    FILE_(file);
    struct stat           st;
    const struct timespec times[2] = { { 1000, 0 }, { 2000, 0 } };
    char                  value[16];
    check_ok(open_new(&file));
    check_ok(hob_file_chmod(file, 0644));
    check_ok(hob_file_utimes(file, times));
    check_ok(hob_file_stat(file, &st));
    check_eq(st.st_mode & 07777, 0644);
    check_eq(st.st_mtim.tv_sec, 2000);
    check_ok(hob_file_chown(file, st.st_uid, st.st_gid));
    int r = hob_file_xattr_set(file, "user.a", "b", 1, 0);
    if (r == -EOPNOTSUPP)
        skip("no extended attributes on this file system");
    check_ok(r);
    check_eq(hob_file_xattr_get(file, "user.a", value, sizeof value), 1);
    check_gt(hob_file_xattr_list(file, NULL, 0), 0);
    check_ok(hob_file_xattr_remove(file, "user.a"));
    check_err(hob_file_xattr_get(file, "user.a", value, sizeof value), -ENODATA);
}

/* ---- files without a name ---- */

TEST_ON_ALL(file, a_temporary_file_leaves_nothing_behind)
{
    FILE_(file);
    DIR_(dir);
    hob_entry entry;
    char      buf[4];
    check_ok(hob_path_mkdir(P("t"), 0700));
    check_ok(hob_file_open_temp(P("t"), &file));
    check_eq(hob_file_write(file, "abc", 3), 3);
    check_eq(hob_file_pread(file, buf, sizeof buf, 0), 3);
    check_ok(hob_dir_open(P("t"), &dir));
    check_eq(hob_dir_next(dir, &entry), 0);
    FILE_(none);
    check_err(hob_file_open_temp(P("none"), &none), -ENOENT);
    check_ok(hob_file_open_temp(NULL, &none));
}
