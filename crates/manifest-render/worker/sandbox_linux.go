package main

import (
	"fmt"
	"os"
	"slices"
	"unsafe"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// System calls that a renderer has no use for, refused with EPERM. Each architecture has some of them.
var refused = slices.Concat(
	// Files; the pipes to the daemon are open.
	[]string{
		"open", "openat", "openat2", "creat", "open_by_handle_at", "name_to_handle_at", "open_tree", "memfd_create", "memfd_secret",
		"unlink", "unlinkat", "rename", "renameat", "renameat2", "mkdir", "mkdirat", "rmdir", "mknod", "mknodat",
		"link", "linkat", "symlink", "symlinkat", "truncate", "ftruncate", "fallocate",
		"chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat",
		"utime", "utimes", "futimesat", "utimensat",
		"setxattr", "lsetxattr", "fsetxattr", "removexattr", "lremovexattr", "fremovexattr",
		"getxattr", "lgetxattr", "listxattr", "llistxattr",
		"stat", "lstat", "newfstatat", "statx", "access", "faccessat", "faccessat2", "readlink", "readlinkat",
		"getdents", "getdents64", "chdir", "fchdir", "chroot", "statfs",
		"inotify_init", "inotify_init1", "inotify_add_watch", "fanotify_init", "fanotify_mark",
		"mount", "umount2", "pivot_root", "mount_setattr", "move_mount", "fsopen", "fsconfig", "fsmount", "fspick",
		"swapon", "swapoff", "quotactl", "quotactl_fd", "acct", "sync", "syncfs",
	},
	// The network.
	[]string{
		"socket", "socketpair", "connect", "bind", "listen", "accept", "accept4",
		"sendto", "sendmsg", "sendmmsg", "recvfrom", "recvmsg", "recvmmsg",
		"io_uring_setup", "io_uring_enter", "io_uring_register",
	},
	// Other processes and the kernel.
	[]string{
		"execve", "execveat", "fork", "vfork", "clone3", "kill", "tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo",
		"pidfd_open", "pidfd_getfd", "pidfd_send_signal", "ptrace", "process_vm_readv", "process_vm_writev",
		"process_madvise", "process_mrelease", "kcmp", "setns", "unshare", "setpgid", "setsid",
		"shmget", "shmat", "msgget", "semget", "mq_open",
		"bpf", "perf_event_open", "userfaultfd", "keyctl", "add_key", "request_key", "personality",
		"init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot",
		"settimeofday", "clock_settime", "adjtimex", "clock_adjtime", "sethostname", "setdomainname",
		"iopl", "ioperm", "lookup_dcookie", "modify_ldt", "uselib", "vhangup",
		"setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups", "setfsuid", "setfsgid", "capset",
	},
)

// confineKernel has the kernel refuse system calls to all threads, for good.
func confineKernel() error {
	program, err := filter()
	if err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC,
		uintptr(unsafe.Pointer(program)))
	if errno != 0 {
		return fmt.Errorf("seccomp: %w", errno)
	}
	return nil
}

func filter() (*unix.SockFprog, error) {
	native, err := arch.GetInfo("")
	if err != nil {
		return nil, err
	}
	refuse := seccomp.ActionErrno | seccomp.Action(unix.EPERM)
	names := slices.DeleteFunc(slices.Clone(refused), func(name string) bool {
		_, known := native.SyscallNames[name]
		return !known
	})
	policy := seccomp.Policy{
		DefaultAction: seccomp.ActionAllow,
		Syscalls: []seccomp.SyscallGroup{{
			Names: names,
			NamesWithCondtions: []seccomp.NameWithConditions{
				// Go starts threads, and signals its own.
				{Name: "clone", Conditions: seccomp.ArgumentConditions{
					{Argument: 0, Operation: seccomp.BitsNotSet, Value: unix.CLONE_THREAD},
				}},
				{Name: "tgkill", Conditions: seccomp.ArgumentConditions{
					{Argument: 0, Operation: seccomp.NotEqual, Value: uint64(os.Getpid())},
				}},
			},
			Action: refuse,
		}},
	}
	instructions, err := policy.Assemble()
	if err != nil {
		return nil, err
	}
	// The policy lets system calls of other architectures pass; on amd64 there are those of i386.
	const offsetOfArch = 4
	guard := []bpf.Instruction{
		bpf.LoadAbsolute{Off: offsetOfArch, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(native.ID), SkipTrue: 1},
		bpf.RetConstant{Val: uint32(refuse)},
	}
	raw, err := bpf.Assemble(append(guard, instructions...))
	if err != nil {
		return nil, err
	}
	program := make([]unix.SockFilter, 0, len(raw))
	for _, instruction := range raw {
		program = append(program, unix.SockFilter{
			Code: instruction.Op, Jt: instruction.Jt, Jf: instruction.Jf, K: instruction.K,
		})
	}
	return &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}, nil
}
