//! The only user-space code that talks to the kernel; unsafe only in sys/; knows no balancing and no configuration.
