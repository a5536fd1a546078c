"""fastapi-users over SQLite at the path DATABASE, with opaque tokens in the database: app.py migrate, uvicorn app:app.
HASH is default (pwdlib's Argon2id m=65536, t=3, p=4) or equal (m=19456, t=2, p=1)."""

import asyncio
import os
import uuid

from fastapi import Depends, FastAPI
from fastapi_users import BaseUserManager, FastAPIUsers, UUIDIDMixin, schemas
from fastapi_users.authentication import AuthenticationBackend, BearerTransport
from fastapi_users.authentication.strategy.db import DatabaseStrategy
from fastapi_users.password import PasswordHelper
from fastapi_users_db_sqlalchemy import SQLAlchemyBaseUserTableUUID, SQLAlchemyUserDatabase
from fastapi_users_db_sqlalchemy.access_token import (
    SQLAlchemyAccessTokenDatabase,
    SQLAlchemyBaseAccessTokenTableUUID,
)
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import event
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

SECRET = "bench-secret-at-least-32-characters-long!"
engine = create_async_engine(
    f"sqlite+aiosqlite:///{os.environ['DATABASE']}", connect_args={"timeout": 30}
)
sessions = async_sessionmaker(engine, expire_on_commit=False)


@event.listens_for(engine.sync_engine, "connect")
def on_connect(connection, _):
    cursor = connection.cursor()
    cursor.execute("pragma journal_mode = wal")
    cursor.execute("pragma synchronous = normal")
    cursor.close()


class Base(DeclarativeBase):
    pass


class User(SQLAlchemyBaseUserTableUUID, Base):
    pass


class AccessToken(SQLAlchemyBaseAccessTokenTableUUID, Base):
    pass


async def database():
    async with sessions() as session:
        yield session


async def users(session=Depends(database)):
    yield SQLAlchemyUserDatabase(session, User)


async def tokens(session=Depends(database)):
    yield SQLAlchemyAccessTokenDatabase(session, AccessToken)


def passwords():
    if os.environ["HASH"] == "equal":
        return PasswordHelper(
            PasswordHash((Argon2Hasher(time_cost=2, memory_cost=19456, parallelism=1),))
        )
    return PasswordHelper()


PASSWORDS = passwords()


class UserManager(UUIDIDMixin, BaseUserManager[User, uuid.UUID]):
    reset_password_token_secret = SECRET
    verification_token_secret = SECRET


async def managers(users=Depends(users)):
    yield UserManager(users, PASSWORDS)


def strategy(tokens=Depends(tokens)):
    return DatabaseStrategy(tokens, lifetime_seconds=3600)


backend = AuthenticationBackend(
    name="db", transport=BearerTransport(tokenUrl="auth/login"), get_strategy=strategy
)
fastapi_users = FastAPIUsers[User, uuid.UUID](managers, [backend])


class UserRead(schemas.BaseUser[uuid.UUID]):
    pass


class UserCreate(schemas.BaseUserCreate):
    pass


app = FastAPI()
app.include_router(fastapi_users.get_auth_router(backend), prefix="/auth")
app.include_router(fastapi_users.get_register_router(UserRead, UserCreate), prefix="/auth")


@app.get("/me")
async def me(user=Depends(fastapi_users.current_user(active=True))):
    return {"id": str(user.id), "email": user.email}


async def migrate():
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)


if __name__ == "__main__":
    asyncio.run(migrate())
