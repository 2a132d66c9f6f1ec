//! The media an interaction can have, and small per-medium tables.
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Medium {
    Voice,
    Chat,
    Email,
    Task,
}

impl Medium {
    pub const ALL: [Medium; 4] = [Medium::Voice, Medium::Chat, Medium::Email, Medium::Task];
}

/// One value per medium, such as an agent's capacity in slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PerMedium<T> {
    pub voice: T,
    pub chat: T,
    pub email: T,
    pub task: T,
}

impl<T> PerMedium<T> {
    pub fn get(&self, medium: Medium) -> &T {
        match medium {
            Medium::Voice => &self.voice,
            Medium::Chat => &self.chat,
            Medium::Email => &self.email,
            Medium::Task => &self.task,
        }
    }

    pub fn get_mut(&mut self, medium: Medium) -> &mut T {
        match medium {
            Medium::Voice => &mut self.voice,
            Medium::Chat => &mut self.chat,
            Medium::Email => &mut self.email,
            Medium::Task => &mut self.task,
        }
    }
}
