//! Archives written byte by byte, because no writer makes the bad ones.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};

/// An entry of a zip or a tar.
#[derive(Clone, Debug)]
pub struct Item {
    name: String,
    data: Vec<u8>,
    mode: u32,
    encrypted: bool,
    declared: Option<u32>,
    deflated: bool,
    kind: u8,
    link: String,
}

/// A regular file.
pub fn file(name: &str, data: &[u8]) -> Item {
    Item {
        name: name.to_owned(),
        data: data.to_vec(),
        mode: 0o100_644,
        encrypted: false,
        declared: None,
        deflated: false,
        kind: b'0',
        link: String::new(),
    }
}

/// A folder.
pub fn folder(name: &str) -> Item {
    Item {
        mode: 0o040_755,
        kind: b'5',
        ..file(name, b"")
    }
}

impl Item {
    /// With the file type and permissions of a Unix mode.
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// With the mark of an encrypted entry.
    pub fn encrypted(mut self) -> Self {
        self.encrypted = true;
        self
    }

    /// Claims another size.
    pub fn declaring(mut self, size: u32) -> Self {
        self.declared = Some(size);
        self
    }

    /// Compressed.
    pub fn deflated(mut self) -> Self {
        self.deflated = true;
        self
    }

    /// With a tar type and what it links to.
    pub fn kind(mut self, kind: u8, link: &str) -> Self {
        self.kind = kind;
        link.clone_into(&mut self.link);
        self
    }
}

/// A zip archive.
pub fn zip(items: &[Item]) -> Vec<u8> {
    let mut archive = Vec::new();
    let mut directory = Vec::new();
    for item in items {
        let mut crc = flate2::Crc::new();
        crc.update(&item.data);
        let data = if item.deflated {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(&item.data).unwrap();
            encoder.finish().unwrap()
        } else {
            item.data.clone()
        };
        let declared = item
            .declared
            .unwrap_or(u32::try_from(item.data.len()).unwrap());
        // Version, flags, method, time and date, checksum, sizes, lengths of name and extra field.
        let mut common = Vec::new();
        common.extend(20u16.to_le_bytes());
        common.extend(u16::from(item.encrypted).to_le_bytes());
        common.extend((if item.deflated { 8u16 } else { 0 }).to_le_bytes());
        common.extend([0; 4]);
        common.extend(crc.sum().to_le_bytes());
        common.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        common.extend(declared.to_le_bytes());
        common.extend(u16::try_from(item.name.len()).unwrap().to_le_bytes());
        common.extend([0; 2]);
        let offset = u32::try_from(archive.len()).unwrap();
        archive.extend(b"PK\x03\x04");
        archive.extend(&common);
        archive.extend(item.name.as_bytes());
        archive.extend(&data);
        // Made by Unix, so that the upper half of the attributes is a mode.
        directory.extend(b"PK\x01\x02\x14\x03");
        directory.extend(&common);
        directory.extend([0; 6]);
        directory.extend((item.mode << 16).to_le_bytes());
        directory.extend(offset.to_le_bytes());
        directory.extend(item.name.as_bytes());
    }
    let count = u16::try_from(items.len()).unwrap().to_le_bytes();
    let start = u32::try_from(archive.len()).unwrap();
    archive.extend(&directory);
    archive.extend(b"PK\x05\x06\0\0\0\0");
    archive.extend([count, count].concat());
    archive.extend(u32::try_from(directory.len()).unwrap().to_le_bytes());
    archive.extend(start.to_le_bytes());
    archive.extend([0; 2]);
    archive
}

/// A tar.gz archive.
pub fn tar_gz(items: &[Item]) -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::best()));
    for item in items {
        let mut header = tar::Header::new_ustar();
        // The writer's own setters refuse bad paths.
        let raw = header.as_mut_bytes();
        raw[..item.name.len()].copy_from_slice(item.name.as_bytes());
        raw[157..157 + item.link.len()].copy_from_slice(item.link.as_bytes());
        header.set_mode(item.mode & 0o777);
        header.set_entry_type(tar::EntryType::new(item.kind));
        header.set_size(item.data.len() as u64);
        header.set_cksum();
        builder.append(&header, item.data.as_slice()).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}
